using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>Writes messages durably, all at once.</summary>
/// <returns>What was not written, by position; empty when all of it was.</returns>
delegate ValueTask<IReadOnlyDictionary<int, Exception>> Publish(IReadOnlyList<Outgoing> outgoing, TimeSpan timeout);

/// <summary>Sets suspects of one queue aside: messages that may kill their worker each time.</summary>
/// <remarks>
/// 1. The broker counts how often it gave a message out in vain. It cannot tell a death from a stop, nor the message
/// that ran from those that were prefetched beside it. So in the main queue the
/// count makes suspects and nothing worse.
/// 2. A suspect moves to the quarantine queue, and its count begins anew. A consumer takes one message at a time there,
/// so that the count grows only for the message that was in hand when a worker died.
/// 3. Given back from there by a worker that lives, the message is written again with the count that it came with.
/// </remarks>
sealed class Quarantine(string jobQueue, string name, int maxDeliveries, Publish publish, BrokerParts parts)
{
    static readonly TimeSpan pause = TimeSpan.FromSeconds(1); // given back, it comes again at once; what refuses it may need a while

    // How long a stop may be held up.
    static readonly TimeSpan returnTimeout = TimeSpan.FromSeconds(5);

    // Fewer than five would make suspects of what a few stops or resets returned.
    readonly int suspectAfter = Math.Min(5, maxDeliveries / 2);
    readonly Lock gate = new();
    readonly HashSet<Task> underWay = [];

    /// <summary>The quarantine queue.</summary>
    public string Name => name;

    public bool Suspects(int deliveryCount) => deliveryCount >= suspectAfter;

    /// <summary>Moves a suspect out of the main queue. Not awaited: nothing may hold up the client's callback, a publish least of all.</summary>
    /// <param name="suspect">The delivery.</param>
    /// <param name="inbox">Takes a suspect that quarantine refuses for good.</param>
    /// <param name="tagsVoid">Fires when the channel of the delivery is gone.</param>
    public void Take(RabbitMqDelivery suspect, Inbox inbox, CancellationToken tagsVoid) => Start(MoveAsync(suspect, inbox, tagsVoid));

    /// <summary>Writes the message into the quarantine queue again: this delivery does not count, as it killed nobody.</summary>
    /// <returns>Whether it is there.</returns>
    public Task<bool> TryWriteAgainAsync(JobMessage message, int deliveryCount)
    {
        var writing = WriteAgainAsync(message, deliveryCount);
        Start(writing);
        return writing;
    }

    async Task<bool> WriteAgainAsync(JobMessage message, int deliveryCount)
    {
        var copy = message.Copy(parts.Random.Next());
        copy.Headers[WireHeaders.Deliveries] = deliveryCount;
        try
        {
            return (await publish([new(name, copy)], returnTimeout).ConfigureAwait(false)).Count == 0;
        }
        catch (Exception)
        {
            return false; // then it is returned by a nack, which counts
        }
    }

    /// <summary>Returns when nothing is between two queues any more, or after a few seconds. A channel that is closed before leaves two copies.</summary>
    public async Task IdleAsync()
    {
        Task[] left;
        lock (gate)
        {
            left = [.. underWay];
        }

        await Task.WhenAll(left).WaitAsync(returnTimeout, parts.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    async Task MoveAsync(RabbitMqDelivery suspect, Inbox inbox, CancellationToken tagsVoid)
    {
        if (!suspect.TryStart())
        {
            return; // its channel is gone: the broker gives it out again
        }

        var (id, count) = (suspect.Message.CorrelationId, suspect.DeliveryCount);
        try
        {
            await suspect.SettleAsync([new(name, suspect.Message.Copy(parts.Random.Next()))]).ConfigureAwait(false);
            parts.Telemetry.Quarantined(jobQueue);
            Log.Quarantined(parts.Logger, id, jobQueue, count, name);
        }
        catch (JobSettlementException e) when (!e.IsTransient)
        {
            // Too large for today's broker, for example. Given back, it would be a suspect again, and refused again, for ever: so it runs beside the others.
            inbox.Add(suspect);
            Log.QuarantineRefused(parts.Logger, id, jobQueue, e);
        }
        catch (Exception e)
        {
            await Task.Delay(pause, parts.Time, tagsVoid).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await suspect.ReleaseAsync().ConfigureAwait(false);
            Log.QuarantineFailed(parts.Logger, id, jobQueue, e);
        }
    }

    void Start(Task work)
    {
        if (work.IsCompleted)
        {
            return;
        }

        lock (gate)
        {
            underWay.Add(work);
        }

        _ = work.ContinueWith(
            done =>
            {
                lock (gate)
                {
                    underWay.Remove(done);
                }
            },
            TaskScheduler.Default);
    }
}
