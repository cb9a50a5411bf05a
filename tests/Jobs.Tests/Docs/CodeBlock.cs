using System.Text.RegularExpressions;

namespace Jobs.Tests.Docs;

/// <summary>A <c>csharp</c> block of a README or another guide.</summary>
/// <remarks>
/// A comment above the block says what it is: <c>&lt;!-- compile: program --&gt;</c>, a program whose output is the next <c>text</c> block;
/// <c>statements</c>, the inside of a method; <c>members</c>, the inside of a class. Without one it is a file.
/// </remarks>
sealed record CodeBlock(string File, int Line, string Kind, string Code, IReadOnlyList<string> Output)
{
    static readonly Regex fence = new(@"^(<!-- compile: (?<kind>\w+) -->\n)?```csharp\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline);
    static readonly Regex nextOutput = new(@"^```text\n(?<output>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline);

    public static IEnumerable<CodeBlock> All()
    {
        var root = Repository.Root;
        var files = Directory.GetDirectories(Path.Combine(root, "src")).Prepend(root).SelectMany(folder => Directory.GetFiles(folder, "*.md"));
        return files.Order(StringComparer.Ordinal).SelectMany(path => Read(Path.GetRelativePath(root, path), System.IO.File.ReadAllText(path)));
    }

    static IEnumerable<CodeBlock> Read(string file, string text) =>
        from Match block in fence.Matches(text)
        let output = nextOutput.Match(text, block.Index + block.Length)
        select new CodeBlock(
            file,
            text.AsSpan(0, block.Groups["code"].Index).Count('\n') + 1,
            block.Groups["kind"] is { Success: true } kind ? kind.Value : "file",
            block.Groups["code"].Value,
            output.Success ? output.Groups["output"].Value.TrimEnd('\n').Split('\n') : []);
}
