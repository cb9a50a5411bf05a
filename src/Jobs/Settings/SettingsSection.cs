using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;

namespace Jobs.Settings;

/// <summary>
/// Checks a configuration section against the options that it is bound to, before it is bound: the binder passes over
/// what does not fit.
/// </summary>
/// <remarks>
/// 1. A key that no option has is a problem; so is an object or a list where one value is wanted, or the other way
/// round.
/// 2. Values are parsed here once, so that all problems are found together. 3. Times are read with their units, and
/// given to the binder in its own format.
/// </remarks>
sealed class SettingsSection
{
    readonly List<string> problems = [];
    readonly Dictionary<string, string?> values = new(StringComparer.OrdinalIgnoreCase);

    SettingsSection()
    {
    }

    public IReadOnlyList<string> Problems => problems;

    /// <summary>What the binder is given.</summary>
    public IConfiguration Values => new ConfigurationBuilder().AddInMemoryCollection(values).Build();

    /// <param name="section">The section.</param>
    /// <param name="options">The type of its options.</param>
    /// <param name="parts">Keys that are sections of other options.</param>
    public static SettingsSection Read(
        IConfigurationSection section,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] Type options,
        IReadOnlyCollection<string> parts)
    {
        var read = new SettingsSection();
        read.Object(section, "", options, parts);
        return read;
    }

    void Object(
        IConfigurationSection section,
        string path,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] Type options,
        IReadOnlyCollection<string> parts)
    {
        if (!string.IsNullOrEmpty(section.Value) && parts.Count == 0) // not of the root: an environment may have a variable JOBS of its own
        {
            problems.Add($"{section.Path} is '{section.Value}', and should be a section with settings in it.");
            return;
        }

        // Reflection, once at start; the binder that reads the values is generated.
        var properties = options.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(p => p.CanWrite)
            .ToDictionary(p => p.Name, StringComparer.OrdinalIgnoreCase);
        foreach (var child in section.GetChildren())
        {
            if (properties.TryGetValue(child.Key, out var property))
            {
                Value(child, path + property.Name, property.PropertyType);
            }
            else if (!parts.Contains(child.Key, StringComparer.OrdinalIgnoreCase))
            {
                problems.Add($"{child.Path} is no setting of Jobs; did you mean "
                    + $"{section.Path}:{Spelling.Nearest(child.Key, properties.Keys.Concat(parts)).First()}?");
            }
        }
    }

    void Value(IConfigurationSection section, string path, Type type)
    {
        if (type == typeof(IDictionary<string, ScheduleOptions>))
        {
            foreach (var child in Children(section, "a section with a name for each schedule"))
            {
                Object(child, $"{path}:{child.Key}:", typeof(ScheduleOptions), []);
                values.TryAdd($"{path}:{child.Key}", null); // a schedule without settings is one too
            }
        }
        else if (type == typeof(IDictionary<string, int>))
        {
            foreach (var child in Children(section, $"a number for each queue: write {section.Path}:images = {section.Value}"))
            {
                Value(child, $"{path}:{child.Key}", typeof(int));
            }
        }
        else if (type == typeof(IList<string>))
        {
            foreach (var child in Children(section, $"a list: write {section.Path}:0 = {section.Value}"))
            {
                Value(child, $"{path}:{child.Key}", typeof(string));
            }
        }
        else if (section.GetChildren().Any())
        {
            problems.Add($"{section.Path} is a section or a list, and should be {Wanted(type)}.");
        }
        else if (section.Value is { } text && !(text.Length == 0 && Nullable.GetUnderlyingType(type) is not null)) // as empty as a variable of a compose file
        {
            Scalar(section, path, Nullable.GetUnderlyingType(type) ?? type, text);
        }
    }

    IEnumerable<IConfigurationSection> Children(IConfigurationSection section, string wanted)
    {
        if (string.IsNullOrEmpty(section.Value))
        {
            return section.GetChildren();
        }

        problems.Add($"{section.Path} is '{section.Value}', and should be {wanted}.");
        return [];
    }

    void Scalar(IConfigurationSection section, string path, Type type, string text)
    {
        string? problem = null;
        if (type == typeof(TimeSpan))
        {
            problem = Duration.Problem(text, out var time);
            text = time.ToString("c", CultureInfo.InvariantCulture);
        }
        else if (type == typeof(int))
        {
            problem = int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out _) ? null : "is not a whole number";
        }
        else if (type == typeof(long))
        {
            problem = long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out _) ? null : "is not a whole number";
        }
        else if (type == typeof(bool))
        {
            problem = bool.TryParse(text, out _) ? null : "is neither true nor false";
        }
        else if (type.IsEnum)
        {
            // By name only: a number says nothing to a reader, and any number would do.
            var names = Enum.GetNames(type);
            problem = names.Contains(text.Trim(), StringComparer.OrdinalIgnoreCase) ? null : $"is not one of {string.Join(", ", names)}";
        }

        if (problem is null)
        {
            values[path] = text;
        }
        else
        {
            problems.Add($"{section.Path} '{section.Value}' {problem}.");
        }
    }

    static string Wanted(Type type) =>
        (Nullable.GetUnderlyingType(type) ?? type) is var wanted && wanted == typeof(string) ? "one text; where JSON is wanted, the text of it, in quotes"
        : wanted == typeof(TimeSpan) ? "one time, for example 90s"
        : "one value";
}
