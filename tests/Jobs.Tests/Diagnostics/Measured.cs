using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Jobs.Tests.Diagnostics;

/// <summary>What an OpenTelemetry exporter would send of the meter <c>Jobs</c>, set up as the README says.</summary>
sealed class Measured : IDisposable
{
    readonly List<MetricSnapshot> exported = [];
    readonly MeterProvider provider;

    public Measured() => provider = Sdk.CreateMeterProviderBuilder().AddMeter("Jobs").AddInMemoryExporter(exported).Build();

    /// <summary>The value of a counter, summed over all points that have these tags.</summary>
    public long Sum(string name, params (string Name, object Value)[] tags) => Points(name, tags).Sum(p => p.GetSumLong());

    /// <summary>Number and sum of a histogram, over all points that have these tags.</summary>
    public (long Count, double Sum) Histogram(string name, params (string Name, object Value)[] tags) =>
        (Points(name, tags).Sum(p => p.GetHistogramCount()), Points(name, tags).Sum(p => p.GetHistogramSum()));

    /// <summary>The tags of the only point that has these tags.</summary>
    public Dictionary<string, object?> Tags(string name, params (string Name, object Value)[] tags) => Of(Assert(Points(name, tags)));

    public (string Unit, string Description) About(string name)
    {
        var snapshot = Last(name)!;
        return (snapshot.Unit, snapshot.Description);
    }

    public void Dispose() => provider.Dispose();

    static MetricPoint Assert(IReadOnlyList<MetricPoint> points) => Xunit.Assert.Single(points);

    List<MetricPoint> Points(string name, (string Name, object Value)[] tags) =>
        [.. Last(name)?.MetricPoints.Where(p => Of(p) is var all && tags.All(t => Equals(all.GetValueOrDefault(t.Name), t.Value))) ?? []];

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
