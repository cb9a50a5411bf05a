using System.Collections;
using System.Globalization;

namespace Jobs.Contracts.RandomCalls;

/// <summary>Whether a value arrived as it was sent: equal by content, at any depth.</summary>
/// <remarks>What the guide excepts is equal here too: a time is a moment, whatever its kind or offset.</remarks>
static class SameValue
{
    public static bool Are(object? sent, object? arrived) => (sent, arrived) switch
    {
        (null, null) => true,
        (null, _) or (_, null) => false,
        (DateTime a, DateTime b) => a.Ticks == b.Ticks,
        (IDictionary a, IDictionary b) => a.Count == b.Count && a.Keys.Cast<object>().All(key => b.Contains(key) && Are(a[key], b[key])),
        (string, _) => sent.Equals(arrived),
        (IEnumerable a, IEnumerable b) when IsSet(sent) => Are(a.Cast<object>().Order().ToArray(), b.Cast<object>().Order().ToArray()),
        (IEnumerable a, IEnumerable b) => Items(a) is var x && Items(b) is var y && x.Length == y.Length && x.Zip(y).All(pair => Are(pair.First, pair.Second)),
        _ when sent.GetType() != arrived.GetType() => false,
        _ when IsPlain(sent.GetType()) => sent.Equals(arrived),
        _ => sent.GetType().GetProperties().All(p => Are(p.GetValue(sent), p.GetValue(arrived))),
    };

    /// <summary>Whether there is something in it that cannot travel: a null where there may be none, a derived type that would be cut down, half a surrogate pair.</summary>
    public static bool MayBeRefused(object? value) => value switch
    {
        null => true,
        char c => char.IsSurrogate(c),
        string s => s.Any(char.IsSurrogate),
        IDictionary map => map.Values.Cast<object?>().Any(MayBeRefused),
        IEnumerable items => Items(items).Any(MayBeRefused),
        _ when IsPlain(value.GetType()) => false,
        _ => value.GetType().Name.EndsWith("Sub", StringComparison.Ordinal) || value.GetType().GetProperties().Any(p => MayBeRefused(p.GetValue(value))),
    };

    public static string Show(object? value) => value switch
    {
        null => "null",
        string s => $"\"{string.Concat(s.Select(c => char.IsAscii(c) && !char.IsControl(c) ? c.ToString() : $"\\u{(int)c:x4}"))}\"",
        DateTime t => t.ToString("O", CultureInfo.InvariantCulture),
        DateTimeOffset t => t.ToString("O", CultureInfo.InvariantCulture),
        IDictionary map => $"{{{string.Join(", ", map.Keys.Cast<object>().Select(k => $"{Show(k)}: {Show(map[k])}"))}}}",
        IEnumerable items => $"[{string.Join(", ", Items(items).Select(Show))}]",
        _ when IsPlain(value.GetType()) => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        _ => $"{value.GetType().Name}({string.Join(", ", value.GetType().GetProperties().Select(p => $"{p.Name}: {Show(p.GetValue(value))}"))})",
    };

    // A default ImmutableArray travels as an empty one.
    static object?[] Items(IEnumerable items)
    {
        try
        {
            return [.. items.Cast<object?>()];
        }
        catch (InvalidOperationException)
        {
            return [];
        }
    }

    static bool IsSet(object value) => value.GetType().GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IReadOnlySet<>));

    static bool IsPlain(Type type) => type.IsPrimitive || type.IsEnum || type.Namespace == "System";
}
