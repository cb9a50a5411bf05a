using System.Collections.Frozen;
using System.Security.Cryptography;

namespace Jobs.Dashboard;

/// <summary>
/// Style sheet, script and icon: embedded in the assembly, under names that change with their contents, so that browsers
/// may keep them for ever.
/// </summary>
static class AssetFiles
{
    static readonly (string Name, string Type)[] all =
        [("dashboard.css", "text/css; charset=utf-8"), ("dashboard.js", "text/javascript; charset=utf-8"), ("icon.svg", "image/svg+xml")];

    static readonly FrozenDictionary<string, Asset> byFileName;

    static AssetFiles()
    {
        var assets = all.Select(one => Read(one.Name, one.Type)).ToList();
        byFileName = assets.ToFrozenDictionary(asset => asset.FileName, StringComparer.Ordinal);
        (Style, Script, Icon) = (assets[0].FileName, assets[1].FileName, assets[2].FileName);
    }

    public static string Style { get; }

    public static string Script { get; }

    public static string Icon { get; }

    public static Asset? Find(string fileName) => byFileName.GetValueOrDefault(fileName);

    static Asset Read(string name, string type)
    {
        using var stream = typeof(AssetFiles).Assembly.GetManifestResourceStream(name)!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes))[..12];
        return new($"{Path.GetFileNameWithoutExtension(name)}.{hash}{Path.GetExtension(name)}", type, bytes);
    }
}

/// <summary>A file that pages refer to.</summary>
sealed record Asset(string FileName, string Type, ReadOnlyMemory<byte> Bytes);
