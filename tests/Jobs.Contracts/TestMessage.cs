using System.Globalization;
using System.Text;
using Jobs.Wire;

namespace Jobs.Contracts;

/// <summary>Makes messages for tests, and compares them.</summary>
public static class TestMessage
{
    /// <summary>A well-formed message.</summary>
    public static JobMessage Of(string? id = null, string task = "test.run", string body = "[[],{},{}]", byte? priority = null, params (string Name, object? Value)[] headers)
    {
        id ??= Guid.NewGuid().ToString();
        var all = new JobHeaders { Task = task, Id = id };
        foreach (var (name, value) in headers)
        {
            all[name] = value;
        }

        return new() { Headers = all, Body = Encoding.UTF8.GetBytes(body), CorrelationId = id, Priority = priority };
    }

    /// <summary>A header as text.</summary>
    public static string? Text(this JobMessage message, string header) =>
        message.Headers.TryGetValue(header, out var value) && value is not null ? Show(value) : null;

    /// <summary>
    /// All headers as lines of text, for comparison. The named headers and the stamp that tells copies apart are left
    /// out.
    /// </summary>
    public static string[] Lines(this JobMessage message, params string[] without) =>
        [.. message.Headers.Where(h => h.Key != WireHeaders.Copy && !without.Contains(h.Key)).Select(h => $"{h.Key} = {Show(h.Value)}").Order(StringComparer.Ordinal)];

    /// <summary>A header's value with its kind.</summary>
    public static string Show(object? value) => value switch
    {
        null => "null",
        string s => s,
        byte[] b => $"bytes {Convert.ToHexString(b)}",
        IDictionary<string, object?> map => "{" + string.Join(", ", map.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}: {Show(p.Value)}")) + "}",
        System.Collections.IEnumerable list => "[" + string.Join(", ", list.Cast<object?>().Select(Show)) + "]",
        _ => $"{value.GetType().Name} {Convert.ToString(value, CultureInfo.InvariantCulture)}",
    };
}
