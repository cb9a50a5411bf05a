using Jobs.Diagnostics;
using Jobs.Transport;

namespace Jobs.Working;

/// <summary>Settles attempts: what comes of a job is written first, then the job leaves its queue.</summary>
sealed class Settlement(FollowUps followUps, TimeProvider time)
{
    readonly TimeProvider time = GuardedTime.Of(time);

    /// <summary>Throws when the transport does: the caller then releases the delivery, and never settles it.</summary>
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
                outgoing = substitutes; // of a retry copy its dead letter, of that a brief one, of that a bare one: there is an end
            }
        }
    }
}
