using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>What is written for an attempt before its message leaves the queue. Pure: the same attempt gives the same messages.</summary>
sealed class FollowUps(IOptions<JobsOptions> options)
{
    readonly string deadLetterQueue = options.Value.DeadLetterQueue;

    /// <summary>All of it, for any outcome but an interruption.</summary>
    public IReadOnlyList<Outgoing> Of(Attempt attempt) => attempt.Outcome switch
    {
        Outcome.Succeeded or Outcome.Expired => [],
        Outcome.Retry retry => [new(attempt.Delivery.Queue, attempt.Envelope!.Retry(retry.Eta, attempt.Stamp), retry.Delay)],
        Outcome.Postponed postponed => [new(attempt.Delivery.Queue, Postponed(attempt, postponed.Eta), postponed.Delay)],
        Outcome.Dead dead => [new(deadLetterQueue, dead.Letter.Write(attempt.Message, attempt.Stamp))],
        var outcome => throw new InvalidOperationException($"Nothing can be written for {outcome}."),
    };

    /// <summary>
    /// What takes the place of messages that the transport refuses for good. Given back, the job would run, end the same
    /// way and be refused again, for ever. A reply has no substitute: its job has succeeded.
    /// </summary>
    /// <returns><see langword="null"/> when nothing is left to try.</returns>
    public IReadOnlyList<Outgoing>? InsteadOf(IReadOnlyList<Outgoing> outgoing, IReadOnlyDictionary<int, Exception> refused, Attempt attempt, DateTimeOffset now)
    {
        var substitutes = new List<Outgoing>();
        foreach (var (position, why) in refused)
        {
            if (outgoing[position].Kind == OutgoingKind.Reply)
            {
                continue;
            }

            if (InsteadOf(outgoing[position], why, attempt, now) is not { } substitute)
            {
                return null;
            }

            substitutes.Add(substitute);
        }

        return substitutes;
    }

    static JobMessage Postponed(Attempt attempt, DateTimeOffset? eta)
    {
        var copy = attempt.Message.Copy(attempt.Stamp);
        copy.Headers.Eta = eta ?? copy.Headers.Eta;
        return copy;
    }

    Outgoing? InsteadOf(Outgoing refused, Exception why, Attempt attempt, DateTimeOffset now)
    {
        if (refused.Queue != deadLetterQueue)
        {
            var letter = new DeadLetter { Reason = $"It was to run again, but its copy was refused. {why.Message}", At = now, Queue = attempt.Delivery.Queue, Attempts = attempt.Number };
            return new(deadLetterQueue, letter.Write(attempt.Message, attempt.Stamp));
        }

        // The job's own headers may nearly fill a frame. What does not fit together with the exception and its stack may fit with a short reason, and
        // fits without one, as large as the job came; the log has the reason then.
        return DeadLetter.Read(refused.Message) switch
        {
            { IsBrief: false } whole => new(deadLetterQueue, whole.Brief().Write(attempt.Message, attempt.Stamp)),
            { } => new(deadLetterQueue, DeadLetter.Bare(attempt.Message)),
            null => null,
        };
    }
}
