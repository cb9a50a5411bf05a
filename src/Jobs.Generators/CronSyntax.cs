using System.Globalization;

namespace Jobs.Generators;

/// <summary>
/// Says whether Cronos accepts an expression. The compiler cannot load Cronos, so this class repeats its grammar; a
/// test compares the two.
/// </summary>
static class CronSyntax
{
    static readonly string[] Macros =
        ["@every_second", "@every_minute", "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];

    static readonly string[] Months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

    static readonly string[] Weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

    static readonly Field[] Fields =
    [
        new("second", 0, 59, []), new("minute", 0, 59, []), new("hour", 0, 23, []),
        new("day", 1, 31, []), new("month", 1, 12, Months), new("weekday", 0, 7, Weekdays),
    ];

    /// <summary>The problem of the expression, or <see langword="null"/>.</summary>
    public static string? FindError(string expression)
    {
        var text = expression.Trim(' ', '\t');
        if (text.StartsWith("@", StringComparison.Ordinal))
        {
            return Macros.Contains(text, StringComparer.OrdinalIgnoreCase) ? null : $"there is no macro '{text}'; there are {string.Join(", ", Macros)}";
        }

        var parts = text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length is not (5 or 6))
        {
            return $"it has {parts.Length} fields";
        }

        return parts.Select((part, i) => Fields[i + 6 - parts.Length].FindError(part)).FirstOrDefault(e => e is not null);
    }

    sealed class Field(string name, int first, int last, string[] names)
    {
        public string? FindError(string part)
        {
            if (part[0] is '*' or '?')
            {
                return part.Length == 1 ? null : part[1] == '/' ? Step(part.Substring(2)) : Unexpected(part.Substring(1));
            }

            var upper = part.ToUpperInvariant();
            return name switch
            {
                "day" when upper[0] == 'L' => LastDay(upper),
                "day" when upper.Length > 1 && upper[upper.Length - 1] == 'W' => Value(part.Substring(0, part.Length - 1)),
                "weekday" when upper.Length > 1 && upper[upper.Length - 1] == 'L' => Value(part.Substring(0, part.Length - 1)),
                "weekday" when part.IndexOf('#') is > 0 and var at => Value(part.Substring(0, at)) ?? Number(part.Substring(at + 1), 1, 5),
                _ => part.Split(',').Select(Range).FirstOrDefault(e => e is not null),
            };
        }

        /// <summary><c>v</c>, <c>v/step</c>, <c>v-v</c> or <c>v-v/step</c>; a range may wrap around.</summary>
        string? Range(string range)
        {
            var slash = range.IndexOf('/');
            var values = slash < 0 ? range : range.Substring(0, slash);
            var dash = values.IndexOf('-');
            return (dash < 0 ? Value(values) : Value(values.Substring(0, dash)) ?? Value(values.Substring(dash + 1)))
                ?? (slash < 0 ? null : Step(range.Substring(slash + 1)));
        }

        /// <summary><c>L</c>, <c>LW</c>, <c>L-n</c> or <c>L-nW</c>.</summary>
        string? LastDay(string upper)
        {
            var rest = upper.EndsWith("W", StringComparison.Ordinal) ? upper.Substring(1, upper.Length - 2) : upper.Substring(1);
            return rest.Length == 0 ? null : rest[0] == '-' ? Number(rest.Substring(1), 0, last - 1) : Unexpected(rest);
        }

        string? Step(string text) => Number(text, 1, last);

        string? Value(string text) => names.Contains(text, StringComparer.OrdinalIgnoreCase) ? null : Number(text, first, last);

        string? Number(string text, int min, int max) =>
            text.Length is 1 or 2 && text.All(c => c is >= '0' and <= '9')
                && int.Parse(text, CultureInfo.InvariantCulture) is var number && number >= min && number <= max
                ? null
                : $"'{text}' in the {name} field is not "
                    + $"{(names.Length > 0 && min == first ? $"{names[0]} to {names[names.Length - 1]} or " : "")}a number from {min} to {max}";

        string Unexpected(string text) => $"'{text}' in the {name} field is not understood";
    }
}
