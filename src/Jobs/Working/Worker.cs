using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Working;

/// <summary>Takes deliveries and runs them, <see cref="WorkerOptions.Concurrency"/> at a time.</summary>
sealed class Worker(Executor executor, Settlement settlement, WorkerProgress progress, Telemetry telemetry, TimeProvider time, ILogger<Worker> logger)
{
    // What cannot be settled now cannot be settled a millisecond later: without a pause the job would run again and again.
    static readonly TimeSpan pause = TimeSpan.FromSeconds(1);

    /// <summary>Runs until the subscription is stopped and every job in hand has been settled.</summary>
    public Task RunAsync(JobSubscription subscription, int concurrency, CancellationToken interrupt)
    {
        var slots = progress.Start(subscription, concurrency);
        var running = new Task[concurrency];
        using (ExecutionContext.SuppressFlow()) // what flows where the host is started – its trace, its culture – is not the jobs'
        {
            for (var i = 0; i < running.Length; i++)
            {
                var slot = slots[i];
                running[i] = Task.Run(() => RunSlotAsync(slot), CancellationToken.None);
            }
        }

        return Task.WhenAll(running);

        // The slot comes first: a delivery in hand always has a place to run.
        async Task RunSlotAsync(WorkerSlot slot)
        {
            try
            {
                while (await subscription.NextAsync().ConfigureAwait(false) is { } delivery)
                {
                    slot.Take();
                    await RunOneAsync(delivery, interrupt).ConfigureAwait(false);
                    slot.Done();
                }
            }
            catch (Exception e)
            {
                Log.SlotEnded(logger, e); // only a transport can do that; the health check counts what is left
            }
            finally
            {
                slot.End();
            }
        }
    }

    async ValueTask RunOneAsync(Delivery delivery, CancellationToken interrupt)
    {
        var id = delivery.Message.CorrelationId; // a settled delivery may have no message any more
        try
        {
            var outcome = await executor.ExecuteAsync(delivery, interrupt).ConfigureAwait(false);
            await settlement.ApplyAsync(delivery, outcome).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Not the job's fault: the framework or the broker failed. Never ack here, that would lose
            // the job. Give it back; if the channel is gone the broker redelivers on its own.
            Log.SettlementFailed(logger, delivery.Queue, id, e);
            telemetry.SettlementFailed(delivery.Queue);
            await Task.Delay(pause, time, interrupt).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await ReleaseAsync(delivery, id).ConfigureAwait(false);
        }
    }

    // The slot must outlive whatever a transport throws: a worker without slots looks alive and runs nothing.
    async ValueTask ReleaseAsync(Delivery delivery, string? id)
    {
        try
        {
            await delivery.ReleaseAsync().ConfigureAwait(false); // no-op once a settlement has been given
        }
        catch (Exception e)
        {
            Log.SettlementFailed(logger, delivery.Queue, id, e);
        }
    }
}
