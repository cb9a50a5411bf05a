using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>Loses the jobs of <see cref="FaultContext.VictimQueue"/>, as nothing but an operator can. The jobs are gone; that nobody notices would be the bug.</summary>
/// <param name="delete">The queue too, or only what is in it.</param>
sealed class LoseQueue(bool delete, FaultDurations durations) : HeldFault(durations, 0, 0)
{
    public override string Name => delete ? "queue-delete" : "queue-purge";

    public override string Description => delete
        ? "Deletes the victim queue with its jobs"
        : "Purges the victim queue: the jobs that nobody holds are lost";

    public override FaultKind Kind => FaultKind.VictimQueue;

    public override bool CanBeDoneTo(Site site) => site.Management is not null;

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        if (context is not { VictimQueue: { } queue, Site.Management: { } management })
            return Task.FromResult<Breakage?>(null);
        return Task.FromResult<Breakage?>(new(
            $"{(delete ? "delete" : "purge")} {queue}",
            async () =>
            {
                try
                {
                    await (delete ? management.DeleteQueueAsync(queue) : management.PurgeQueueAsync(queue));
                }
                catch (InvalidOperationException exception)
                {
                    context.Say($"{Name}: {queue} is as it was, or not: {exception.Message}");
                }
            },
            () => Task.CompletedTask,
            $"what was in {queue} is lost"));
    }
}
