using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Jobs.Tests.Diagnostics;

/// <summary>What an OpenTelemetry exporter would send of the meter <c>Jobs</c>, set up as the README says.</summary>
sealed class Measured : IDisposable
{
    readonly List<MetricSnapshot> exported = [];
    readonly MeterProvider provider;

    public Measured() => provider = Sdk.CreateMeterProviderBuilder().AddMeter("Jobs").AddInMemoryExporter(exported).Build();

    /// <summary>The value of a counter or gauge, summed over all points that have these tags.</summary>
    public long Sum(string name, params (string Name, object Value)[] tags) =>
        Points(name, tags, out var type).Sum(p => type == MetricType.LongGauge ? p.GetGaugeLastValueLong() : p.GetSumLong());

    /// <summary>Number and sum of a histogram, over all points that have these tags.</summary>
    public (long Count, double Sum) Histogram(string name, params (string Name, object Value)[] tags) =>
        Points(name, tags, out _) is var points ? (points.Sum(p => p.GetHistogramCount()), points.Sum(p => p.GetHistogramSum())) : default;

    /// <summary>The tags of the only point that has these tags.</summary>
    public Dictionary<string, object?> Tags(string name, params (string Name, object Value)[] tags) => Of(Xunit.Assert.Single(Points(name, tags, out _)));

    public (string Unit, string Description) About(string name)
    {
        var snapshot = Last(name)!;
        return (snapshot.Unit, snapshot.Description);
    }

    public void Dispose() => provider.Dispose();

    List<MetricPoint> Points(string name, (string Name, object Value)[] tags, out MetricType? type)
    {
        var last = Last(name);
        type = last?.MetricType;
        return [.. last?.MetricPoints.Where(p => Of(p) is var all && tags.All(t => Equals(all.GetValueOrDefault(t.Name), t.Value))) ?? []];
    }

    MetricSnapshot? Last(string name)
    {
        provider.ForceFlush();
        return exported.LastOrDefault(m => m.Name == name);
    }

    static Dictionary<string, object?> Of(MetricPoint point)
    {
        var tags = new Dictionary<string, object?>();
        foreach (var (name, value) in point.Tags)
        {
            tags[name] = value;
        }

        return tags;
    }
}
