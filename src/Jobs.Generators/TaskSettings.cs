using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Jobs.Generators;

/// <summary>
/// Reads the named values of <c>[Task(…)]</c>. It reads only values that the user wrote, because an option that is not
/// set takes the host's value.
/// </summary>
sealed class TaskSettings(AttributeData attribute, string display, Action<DiagnosticDescriptor, string[]> report)
{
    public EquatableArray<string> Read() => attribute.NamedArguments.Select(Setting).OfType<string>().ToEquatable();

    string? Setting(KeyValuePair<string, TypedConstant> argument)
    {
        var name = argument.Key;
        var value = argument.Value.Kind == TypedConstantKind.Array ? null : argument.Value.Value;
        switch (name)
        {
            case "Aliases":
                return argument.Value is { Kind: TypedConstantKind.Array, IsNull: false } array
                    ? $"Aliases = new string[] {{ {string.Join(", ", array.Values.Select(v => Quote(v.Value as string)))} }}"
                    : null;
            case "NoRetryOn":
                return argument.Value is { Kind: TypedConstantKind.Array, IsNull: false } types ? NoRetryOn(types) : null;
            case "Queue":
                if (value is not string { Length: > 0 })
                {
                    report(Diagnostics.InvalidSetting, ["Queue", value is null ? "null" : "\"\"", display, "leave it out for the host's default queue"]);
                    return null;
                }

                return $"Queue = {Quote((string)value)}";
            case "MaxRetries":
                if (value is int and < 0)
                {
                    return Wrong(name, value, "use 0 for no retry");
                }

                return $"MaxRetries = {Text(value)}";
            case "Priority":
                if (value is byte and > 9)
                {
                    return Wrong(name, value, "use 0 (normal) to 9 (most urgent)");
                }

                return $"Priority = {Text(value)}";
            case "ExpiresSeconds" when value is double and 0:
                return Wrong(name, value, "a job that expires at once never runs: use more than 0 seconds, or leave it out");
            case "RetryDelaySeconds" or "MaxRetryDelaySeconds" or "ExpiresSeconds" when value is double seconds:
                if (!(seconds >= 0 && seconds < TimeSpan.MaxValue.TotalSeconds))
                {
                    return Wrong(name, value, "use seconds from 0 on");
                }

                return $"{NameRules.WithoutSuffix(name, "Seconds")} = {Seconds(seconds)}";
            case "AckEarly" or "TrackResult":
                return value is true ? $"{name} = true" : null;
            default:
                return null; // the value has the wrong type; the compiler reports that
        }
    }

    string? NoRetryOn(TypedConstant types)
    {
        var exceptions = types.Values.Select(v => v.Value).OfType<ITypeSymbol>().ToList();
        if (exceptions.FirstOrDefault(type => !IsException(type)) is { } other)
        {
            return Wrong("NoRetryOn", $"typeof({other.ToDisplayString()})", "name types derived from Exception");
        }

        return $"NoRetryOn = new global::System.Type[] {{ "
            + $"{string.Join(", ", exceptions.Select(type => $"typeof({type.ToDisplayString(TypeParser.FullName)})"))} }}";

        static bool IsException(ITypeSymbol? type) =>
            type is not null && (TypeParser.FullNameOf(type) == "System.Exception" || IsException(type.BaseType));
    }

    public static string Seconds(double seconds) =>
        $"global::System.TimeSpan.FromSeconds({seconds.ToString("R", CultureInfo.InvariantCulture)}D)";

    public static string Quote(string? text) => text is null ? "null" : SymbolDisplay.FormatLiteral(text, quote: true);

    string? Wrong(string name, object value, string remedy)
    {
        report(Diagnostics.InvalidSetting, [name, Text(value), display, remedy]);
        return null;
    }

    static string Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;
}
