using System.Diagnostics;
using Jobs.Brokers;
using Jobs.Faults.Faults;
using Jobs.Faults.Logs;
using RabbitMQ.Client;

namespace Jobs.Faults.Load;

/// <summary>Somebody purges or deletes the queue <see cref="LoadQueues.Victim"/>, whose jobs are lost with it: what is checked is that it is noticed, and that service goes on.</summary>
/// <param name="load">The load of the run, or <see langword="null"/> to list the faults only.</param>
sealed class QueueFault(LoadInFlight? load, bool delete) : Fault
{
    /// <summary>A producer of its own: the check excuses its losses, and nobody else's.</summary>
    public const ushort VictimProducer = 1000;

    const int Burst = 2_000;
    static readonly TimeSpan back = TimeSpan.FromSeconds(60);

    public override string Name => delete ? "queue-delete" : "queue-purge";

    public override string Description => delete
        ? "a queue is deleted under its consumers and its producer; its own jobs may be lost, and it has to be said and to work again"
        : "a queue is purged; its own jobs may be lost, and those that come after have to run (nobody is told of a purge, so nobody can say it)";

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var (victim, progress) = (load!.Victim!, load.Progress);
        var began = Stopwatch.GetTimestamp();
        victim.Burst(Burst);
        await using (var connection = await new ConnectionFactory { Uri = new Uri(context.Site.Nodes[context.Random.Next(context.Site.Nodes.Count)].DirectUri) }.CreateConnectionAsync(CancellationToken.None))
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None))
        {
            var gone = delete
                ? await channel.QueueDeleteAsync(LoadQueues.Victim, ifUnused: false, ifEmpty: false, cancellationToken: CancellationToken.None)
                : await channel.QueuePurgeAsync(LoadQueues.Victim, CancellationToken.None);
            context.Say($"{(delete ? "deleted" : "purged")} {LoadQueues.Victim} with {gone} jobs in it");
        }

        // Back means: a job that is enqueued from now on runs. Its producer goes on all the time, so the count grows when it does.
        if (delete)
        {
            await SaidAsync(Said.ConsumerLost, "the workers to say that their consumer is lost (441)");
            await SaidAsync(Said.Subscribed, "the workers to consume it again (440)");
        }

        var finished = progress.FinishedOf(VictimProducer);
        await Eventually.BecomesAsync(() => progress.FinishedOf(VictimProducer) > finished + 5, back, $"jobs of {LoadQueues.Victim} to run again");

        Task SaidAsync(Said said, string what) => Eventually.BecomesAsync(() => progress.Count(said, LoadQueues.Victim, began) >= context.Workers.Size, back, what);
    }
}
