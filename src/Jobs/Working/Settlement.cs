using Jobs.Diagnostics;
using Jobs.Transport;

namespace Jobs.Working;

/// <summary>Settles attempts: first the messages that follow are written, then the job leaves its queue.</summary>
sealed class Settlement(FollowUps followUps, TimeProvider time)
{
    readonly TimeProvider time = GuardedTime.Of(time);

    /// <summary>
    /// Settles the attempt by its outcome. Throws what the transport throws: the caller then releases the delivery, and
    /// never settles it.
    /// </summary>
    public ValueTask ApplyAsync(Attempt attempt)
    {
        if (attempt.Outcome is Outcome.Interrupted)
        {
            return attempt.Delivery.ReleaseAsync();
        }

        var outgoing = followUps.Of(attempt);
        return outgoing.Count == 0 ? attempt.Delivery.SettleAsync(outgoing) : WriteAsync(attempt, outgoing);
    }

    async ValueTask WriteAsync(Attempt attempt, IReadOnlyList<Outgoing> outgoing)
    {
        while (true)
        {
            try
            {
                await attempt.Delivery.SettleAsync(outgoing).ConfigureAwait(false);
                return;
            }
            catch (JobSettlementException e) when (!e.IsTransient && followUps.InsteadOf(outgoing, e.Failures, attempt, time.GetUtcNow()) is { } substitutes)
            {
                // This loop ends: a retry copy becomes a dead letter, then a brief letter, then a bare one.
                outgoing = substitutes;
            }
        }
    }
}
