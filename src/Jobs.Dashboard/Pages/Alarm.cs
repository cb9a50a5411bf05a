using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>Something that does not get well by itself.</summary>
/// <param name="Says">What is wrong, in a sentence.</param>
/// <param name="GoTo">The page that shows more.</param>
readonly record struct Alarm(string Says, string? GoTo)
{
    // A beat is late for some seconds whenever another one takes over.
    static readonly TimeSpan late = TimeSpan.FromMinutes(2);

    // A red line that stays for ever is not read. Older letters are counted in their tile.
    static readonly TimeSpan lately = TimeSpan.FromHours(1);

    public static IEnumerable<Alarm> Of(
        TransportInfo? transport,
        QueuePage? queues,
        IReadOnlyList<WorkerInfo>? workers,
        IReadOnlyList<ScheduleInfo>? schedules,
        DeadLetterPage? letters,
        DateTimeOffset now) =>
        [.. OfTransport(transport), .. OfWorkers(queues, workers), .. OfSchedules(schedules), .. OfLetters(letters, now)];

    static IEnumerable<Alarm> OfTransport(TransportInfo? transport)
    {
        if (transport is { IsUp: false })
        {
            yield return new($"Jobs cannot be enqueued: {transport.Problem ?? "the transport is down"}.", null);
        }

        foreach (var node in transport?.Nodes ?? [])
        {
            var why = !node.IsRunning ? "does not run"
                : node.HasMemoryAlarm ? "has too little memory, so the cluster takes no jobs"
                : node.HasDiskAlarm ? "has too little disk space, so the cluster takes no jobs"
                : node.Partitions.Count > 0 ? $"has lost sight of {string.Join(", ", node.Partitions)}"
                : null;
            if (why is not null)
            {
                yield return new($"Node {node.Name} {why}.", null);
            }
        }
    }

    static IEnumerable<Alarm> OfWorkers(QueuePage? queues, IReadOnlyList<WorkerInfo>? workers)
    {
        var waiting = (queues?.Queues ?? []).Where(queue => queue is { Waiting: > 0, Consumers: 0 }).ToList();
        if (workers is not null && workers.All(worker => !worker.IsAlive))
        {
            yield return new(workers.Count == 0 ? "No worker has been heard of within a day." : "No worker is alive.", "workers");
        }
        else if (waiting.Count > 0)
        {
            var names = string.Join(", ", waiting.Take(3).Select(queue => queue.Name));
            var others = waiting.Count > 3 ? " and others" : "";
            var jobs = waiting.Sum(queue => queue.Waiting ?? 0);
            yield return new($"No worker takes jobs from {names}{others}; {Words.Count(jobs, "job")} {(jobs == 1 ? "waits" : "wait")}.", "queues");
        }
    }

    static IEnumerable<Alarm> OfSchedules(IReadOnlyList<ScheduleInfo>? schedules)
    {
        var behind = (schedules ?? []).Where(schedule => schedule.Lateness > late).ToList();
        if (behind.Count > 0)
        {
            var which = $"{Words.Count(behind.Count, "schedule")} {(behind.Count == 1 ? "is" : "are")}";
            var lateness = Words.Span(behind.Max(schedule => schedule.Lateness));
            yield return new($"{which} late, by {lateness}: no beat runs, or the beat cannot enqueue.", "schedules");
        }
    }

    static IEnumerable<Alarm> OfLetters(DeadLetterPage? letters, DateTimeOffset now)
    {
        if (letters?.Letters is [var last, ..] && now - last.At < lately)
        {
            var dead = letters.Total == 1 ? "A job is dead:" : $"{Words.Count(letters.Total, "job")} are dead, the last one";
            yield return new($"{dead} {last.Task ?? "an unknown task"}, {Words.Ago(now - last.At)}.", "failures");
        }
    }
}
