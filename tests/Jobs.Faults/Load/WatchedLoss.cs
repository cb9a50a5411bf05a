using System.Diagnostics;
using Jobs.Brokers;
using Jobs.Faults.Faults;
using Jobs.Faults.Logs;
using Jobs.Faults.Sites;

namespace Jobs.Faults.Load;

/// <summary>
/// A loss of <see cref="LoadQueues.Victim"/>, with jobs in it, and what has to follow: a deleted queue is noticed and said, and consumed again by every worker; jobs that are
/// enqueued from then on run. Not every worker can say it: a broker that deletes by force tells no consumer, and one whose queue another worker has brought back sees nothing but
/// silence (<c>ConsumerWatchdog</c>). Nobody is told of a purge, so nobody can say that.
/// </summary>
/// <param name="loss">What purges or deletes.</param>
/// <param name="load">The load of the run, or <see langword="null"/> to list the faults only.</param>
sealed class WatchedLoss(Fault loss, LoadInFlight? load) : Fault
{
    /// <summary>A producer of its own: the check excuses its losses, and nobody else's.</summary>
    public const ushort Producer = 1000;

    const int Burst = 2_000;
    static readonly TimeSpan back = TimeSpan.FromSeconds(90);

    public override string Name => loss.Name;

    public override string Description => loss.Description;

    public override FaultKind Kind => loss.Kind;

    public override bool CanBeDoneTo(Site site) => loss.CanBeDoneTo(site);

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var (victim, progress) = (load!.Victim!, load.Progress);
        var began = Stopwatch.GetTimestamp();
        victim.Burst(Burst);
        await loss.InflictAsync(context, cancellationToken);
        if (loss.Name == "queue-delete")
        {
            await Eventually.BecomesAsync(() => progress.Count(Said.ConsumerLost, LoadQueues.Victim, began) > 0, back, "a worker to say that its consumer is lost (441)");
            await Eventually.BecomesAsync(async () => await Drain.ConsumersAsync(context.Site, LoadQueues.Victim) >= context.Workers.Size, back, "all workers to consume it again");
        }

        // Its producer goes on all the time, so the count grows when service is back.
        var finished = progress.FinishedOf(Producer);
        await Eventually.BecomesAsync(() => progress.FinishedOf(Producer) > finished + 5, back, $"jobs of {LoadQueues.Victim} to run again");
    }
}
