namespace Jobs.RabbitMQ;

/// <summary>Declares the queues that Celery applications declare too.</summary>
sealed partial class Topology
{
    /// <summary>
    /// Makes the policy of a queue that Celery applications declare too, and then declares the queue.
    /// </summary>
    async Task DeclareSharedAsync(Incarnation incarnation, QueueSpec queue, bool takeForeign, CancellationToken cancellationToken)
    {
        var policies = parts.Policies!;
        var isMade = true;
        try
        {
            isMade = await policies.MakeAsync(queue.Name, cancellationToken).ConfigureAwait(false);
        }
        catch (JobTransportException e) when (e.IsTransient)
        {
            // A management API that is down must stop neither a worker that has seen the policy before, nor a publisher
            // whose queue is there.
            var mayGoOn = policies.HasSeen(queue.Name)
                || (takeForeign && await AreThereAsync(incarnation, [queue], [], cancellationToken).ConfigureAwait(false));
            if (!mayGoOn)
            {
                await Task.Delay(RedeclarePause, time, cancellationToken).ConfigureAwait(false); // a publisher would ask again at once
                throw;
            }

            Log.PolicyUnchecked(parts.Logger, queue.Name, e.Message);
        }

        await DeclareAsync(incarnation, queue, cancellationToken).ConfigureAwait(false);
        if (!isMade)
        {
            await policies.DemandAsync(queue.Name, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Waits until a queue may be consumed: when it has a policy, until the policy is in effect.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="waits">Is called before each wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task MayConsumeAsync(string queue, Action waits, CancellationToken cancellationToken) =>
        Spec(queue).Kind == QueueKind.Shared ? parts.Policies!.AwaitAsync(queue, waits, cancellationToken) : Task.CompletedTask;
}
