using Jobs.Wire;

namespace Jobs.Transport;

/// <summary>Looks into the memory of this process.</summary>
sealed class InMemoryInspection(InMemoryTransport transport, TimeProvider time) : TransportInspection
{
    public override InspectionCapabilities Capabilities =>
        InspectionCapabilities.Held | InspectionCapabilities.DelayedByQueue | InspectionCapabilities.DelayedJobs | InspectionCapabilities.OldestAge
        | InspectionCapabilities.AllQueues;

    public override Task<QueuePage> QueuesAsync(IReadOnlyCollection<string> known, CancellationToken cancellationToken)
    {
        var (now, held, delayed) = (time.GetUtcNow(), transport.Held.ToList(), transport.Delayed.CountBy(one => one.Queue).ToDictionary());
        var names = known.Union(transport.QueueNames, StringComparer.Ordinal);
        return Task.FromResult(new QueuePage { Queues = [.. names.Select(Look)] });

        QueueInfo Look(string name)
        {
            var (waiting, oldest) = transport.Waiting(name);
            return new()
            {
                Name = name,
                Waiting = waiting,
                Held = held.Where(one => one.Queue == name).Sum(one => (long)one.Count),
                Delayed = delayed.GetValueOrDefault(name),
                OldestAge = oldest is { } since ? now - since : null,
            };
        }
    }

    public override Task<DelayedPage> DelayedAsync(int limit, string? after, CancellationToken cancellationToken)
    {
        var (all, begin) = (transport.Delayed, DelayedCursor.Of(after));
        var page = all.Where(one => begin.IsBefore(one.Due.UtcTicks, one.Number)).OrderBy(one => one.Due).ThenBy(one => one.Number).Take(limit + 1).ToList();
        var last = page.Count > limit ? page[limit - 1] : null;
        return Task.FromResult(new DelayedPage
        {
            Jobs = [.. page.Take(limit).Select(one => MessageFacts.Delayed(one.Message, one.Queue, one.Due))],
            Total = all.Count,
            Next = last is null ? null : new DelayedCursor(last.Due.UtcTicks, last.Number).ToString(),
        });
    }

    public override Task<TransportInfo> LookAsync(CancellationToken cancellationToken) =>
        Task.FromResult(new TransportInfo { Kind = transport.MessagingSystem, IsUp = true });
}

/// <summary>A message that waits for its time.</summary>
/// <param name="Queue">The queue that it will go to.</param>
/// <param name="Message">The message.</param>
/// <param name="Due">When it will go there.</param>
/// <param name="Number">Numbers the messages in the order in which they came.</param>
sealed record DelayedMessage(string Queue, JobMessage Message, DateTimeOffset Due, long Number);
