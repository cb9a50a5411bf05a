using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Jobs.Generators;

/// <summary>Reads the <c>[Cron]</c> and <c>[Every]</c> attributes of one method.</summary>
sealed class ScheduleParser(
    IMethodSymbol method,
    string display,
    EquatableArray<ParameterModel> parameters,
    Action<DiagnosticDescriptor, LocationModel?, string[]> report,
    CancellationToken cancellationToken)
{
    public EquatableArray<string> Read()
    {
        var schedules = new List<string>();
        foreach (var attribute in method.GetAttributes())
        {
            var type = attribute.AttributeClass is { } c ? TypeParser.FullNameOf(c) : "";
            if (type is not ("Jobs.CronAttribute" or "Jobs.EveryAttribute"))
            {
                continue;
            }

            var at = LocationModel.From(attribute.ApplicationSyntaxReference, cancellationToken);
            var isCron = type == "Jobs.CronAttribute";
            if (parameters.FirstOrDefault(p => p.Type is not null && p.Default is null) is { } required)
            {
                report(Diagnostics.ScheduleNeedsArguments, at, [isCron ? "Cron" : "Every", display, required.Name]);
            }

            List<string> values = [isCron ? Cron(attribute, at) : Every(attribute, at)];
            values.AddRange(attribute.NamedArguments.Select(a => Named(a.Key, a.Value, at)).OfType<string>());
            schedules.Add(string.Join(", ", values));
        }

        return schedules.ToEquatable();
    }

    string Cron(AttributeData attribute, LocationModel? at)
    {
        var expression = attribute.ConstructorArguments.FirstOrDefault().Value as string ?? "";
        if (CronSyntax.FindError(expression) is { } error)
        {
            report(Diagnostics.InvalidCron, at, [expression, error]);
        }

        return $"Cron = {TaskSettings.Quote(expression)}";
    }

    string Every(AttributeData attribute, LocationModel? at)
    {
        double[] unit = [86400, 3600, 60, 1];
        var seconds = attribute.ConstructorArguments.Select((a, i) => a.Value is int n ? n * unit[i] : 0).Sum();
        if (!(seconds >= 1 && seconds < TimeSpan.MaxValue.TotalSeconds))
        {
            report(Diagnostics.InvalidInterval, at, [display, seconds.ToString("R", CultureInfo.InvariantCulture) + " seconds"]);
            seconds = 1;
        }

        return $"Every = {TaskSettings.Seconds(seconds)}";
    }

    string? Named(string name, TypedConstant value, LocationModel? at)
    {
        if (value.IsNull)
        {
            return null;
        }

        if (name == "TimeZone" && value.Value is string zone && !TimeZones.Exists(zone))
        {
            report(Diagnostics.InvalidTimeZone, at, [zone]);
        }

        return name switch
        {
            "TimeZone" or "Name" => $"{name} = {TaskSettings.Quote(value.Value as string)}",
            "Misfire" => $"Misfire = global::{value.ToCSharpString()}".Replace("global::(", "(global::"),
            _ => null,
        };
    }
}
