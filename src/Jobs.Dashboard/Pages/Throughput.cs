using System.Globalization;
using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>Adds up and draws what workers did in the last hour.</summary>
static class Throughput
{
    public static ThroughputMinute Sum(IEnumerable<TaskThroughput> tasks) => Sum(tasks.SelectMany(task => task.Minutes));

    /// <summary>A bar for each minute.</summary>
    public static Html Chart(ThroughputInfo hour, IEnumerable<TaskThroughput> tasks, string label)
    {
        var chosen = tasks.ToList();
        var minutes = Enumerable.Range(0, 60).Select(minute => Sum(chosen.Select(task => task.Minutes[minute]))).ToList();
        return Markup.Chart.Of([.. minutes.Select((minute, at) => Bar(minute, hour.From.AddMinutes(at), hour.KnownFrom))], label);
    }

    static Bar Bar(ThroughputMinute minute, DateTimeOffset at, DateTimeOffset? knownFrom)
    {
        var time = at.UtcDateTime.ToString("HH:mm", CultureInfo.InvariantCulture);
        var (done, dead, retried) = (Words.Number(minute.Succeeded), Words.Number(minute.Failed), Words.Number(minute.Retried));
        return at.AddMinutes(1) <= knownFrom
            ? new(0, 0, $"{time} UTC: not known", false)
            : new(minute.Succeeded, minute.Failed + minute.Retried, $"{time} UTC: {done} done, {dead} dead, {retried} tried again", true);
    }

    static ThroughputMinute Sum(IEnumerable<ThroughputMinute> minutes) => minutes.Aggregate(default(ThroughputMinute), (sum, one) => new()
    {
        Started = sum.Started + one.Started,
        Succeeded = sum.Succeeded + one.Succeeded,
        Failed = sum.Failed + one.Failed,
        Retried = sum.Retried + one.Retried,
        Expired = sum.Expired + one.Expired,
        Runtime = sum.Runtime + one.Runtime,
    });
}
