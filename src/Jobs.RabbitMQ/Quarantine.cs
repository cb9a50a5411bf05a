using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>Writes messages durably, all at the same time.</summary>
/// <returns>The messages that were not written, by position; empty when all were written.</returns>
delegate ValueTask<IReadOnlyDictionary<int, Exception>> Publish(IReadOnlyList<Outgoing> outgoing, TimeSpan timeout);

/// <summary>Sets the suspects of one queue aside: messages that may kill their worker each time.</summary>
/// <remarks>
/// 1. The broker counts how often it delivered a message without an ack. The count does not tell a worker that
/// died from a worker that stopped, nor the message that ran from the messages that were prefetched beside it. So in
/// the main queue a high count makes a message a suspect and nothing worse.
/// 2. A suspect moves to the quarantine queue, and its count begins anew. A consumer takes one message at a time there.
/// So the count grows only for the message that a worker held when it died.
/// 3. When a worker gives a message back from there and lives, we write the message again with the count that it came
/// with.
/// </remarks>
sealed class Quarantine(string jobQueue, string name, int maxDeliveries, Publish publish, BrokerParts parts)
{
    // A suspect that is given back comes again at once; the queue that refused it may need a moment.
    static readonly TimeSpan pause = TimeSpan.FromSeconds(1);

    // How long quarantine may delay a stop.
    static readonly TimeSpan returnTimeout = TimeSpan.FromSeconds(5);

    // Five, or half of MaxDeliveries when that is less. A lower number than five also makes suspects of messages that a
    // few stops or resets returned.
    readonly int suspectAfter = Math.Min(5, maxDeliveries / 2);
    readonly Lock gate = new();
    readonly HashSet<Task> underWay = [];

    /// <summary>The quarantine queue.</summary>
    public string Name => name;

    public bool Suspects(int deliveryCount) => deliveryCount >= suspectAfter;

    /// <summary>
    /// Moves a suspect out of the main queue. The caller does not wait: nothing may hold up the client's callback, and
    /// least of all a publish.
    /// </summary>
    /// <param name="suspect">The delivery.</param>
    /// <param name="inbox">Takes a suspect that the broker refuses for good to move.</param>
    /// <param name="tagsVoid">Fires when the channel of the delivery is gone.</param>
    public void Take(RabbitMqDelivery suspect, Inbox inbox, CancellationToken tagsVoid) => Start(MoveAsync(suspect, inbox, tagsVoid));

    /// <summary>
    /// Writes the message into the quarantine queue again. This delivery does not count, because it killed nobody.
    /// </summary>
    /// <returns>Whether the message was written.</returns>
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
            return false; // the caller then returns the message by a nack, which counts
        }
    }

    /// <summary>
    /// Returns when no message is between two queues, or after a few seconds. A message whose channel is closed before
    /// its move ends is then in both queues.
    /// </summary>
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
            return; // its channel is lost: the broker delivers the message again
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
            // The message is too large for today's broker, for example. If we gave it back, it would be a suspect and
            // be refused again, for ever. So it runs beside the other jobs.
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
