using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>
/// Makes the messages that follow an attempt, such as a retry copy or a dead letter. The transport writes them before
/// the attempt's own message leaves its queue. The same attempt always gives the same messages.
/// </summary>
sealed class FollowUps(IOptions<JobsOptions> options)
{
    readonly string deadLetterQueue = options.Value.DeadLetterQueue;

    readonly TimeSpan resultExpires = options.Value.ResultExpires;
    readonly int maxResultBytes = options.Value.MaxResultBytes;

    /// <summary>The messages that follow, for any outcome but an interruption.</summary>
    public IReadOnlyList<Outgoing> Of(Attempt attempt)
    {
        var next = Next(attempt);
        return attempt.WantsResult && News(attempt) is { } news ? [.. next, news] : next;
    }

    IReadOnlyList<Outgoing> Next(Attempt attempt) => attempt.Outcome switch
    {
        Outcome.Succeeded or Outcome.Expired => [],
        Outcome.Retry retry => [new(attempt.Delivery.Queue, attempt.Envelope!.Retry(retry.Eta, attempt.Stamp), retry.Delay)],
        Outcome.Postponed postponed => [new(attempt.Delivery.Queue, Postponed(attempt, postponed.Eta), postponed.Delay)],
        Outcome.Dead dead => [new(deadLetterQueue, dead.Letter.Write(attempt.Message, attempt.Stamp))],
        var outcome => throw new InvalidOperationException($"Nothing can be written for {outcome}."),
    };

    /// <summary>
    /// The substitutes for messages that the transport refuses for good. Without a substitute the worker would give the
    /// job back, and the job would run, end the same way and be refused again, for ever. A reply needs no substitute:
    /// its job has succeeded.
    /// </summary>
    /// <returns>The substitutes, or <see langword="null"/> when no substitute is left to try.</returns>
    public IReadOnlyList<Outgoing>? InsteadOf(
        IReadOnlyList<Outgoing> outgoing, IReadOnlyDictionary<int, Exception> refused, Attempt attempt, DateTimeOffset now)
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

    // What the caller is told; null when nothing has changed for the caller.
    Outgoing? News(Attempt attempt)
    {
        var (started, ended) = attempt.Times;
        var news = new JobStatus { Id = attempt.Id, StartedAt = started, EndedAt = ended, Attempts = attempt.Number };
        switch (attempt.Outcome)
        {
            case Outcome.Succeeded { Result: var result } when result.Length <= maxResultBytes:
                news = news with { State = JobState.Succeeded, Result = result };
                break;
            case Outcome.Succeeded { Result: var result }:
                news = news with { State = JobState.Dead, Error = TooLarge(result.Length) };
                break;
            case Outcome.Dead dead:
                news = news with { State = JobState.Dead, EndedAt = dead.Letter.At, Error = dead.News() };
                break;
            case Outcome.Expired expired:
                news = news with { State = JobState.Expired, EndedAt = expired.At, Attempts = 0 };
                break;
            case Outcome.Retry retry:
                news = news with { State = JobState.Retrying, EndedAt = null, Error = Outcome.Dead.ErrorOf(retry.Failure) };
                break;
            default:
                return null;
        }

        var message = ResultMessage.Write(news, attempt.Message.CorrelationId ?? news.Id, news.HasEnded ? news.EndedAt + resultExpires : null);
        return new(attempt.Message.ReplyTo!, message, Kind: OutgoingKind.Reply);
    }

    JobError TooLarge(int bytes) => new("Jobs.ResultTooLarge",
        $"The job has succeeded, but its result of {bytes} bytes is larger than MaxResultBytes ({maxResultBytes}). Store it, and return where it is.");

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
            var letter = new DeadLetter
            {
                Reason = $"It was to run again, but the transport refused its retry copy. {why.Message}",
                At = now,
                Queue = attempt.Delivery.Queue,
                Attempts = attempt.Number,
            };
            return new(deadLetterQueue, letter.Write(attempt.Message, attempt.Stamp));
        }

        // The job's own headers may nearly fill a frame. If a letter with the exception and its stack does not fit, we
        // try a brief letter with a short reason only. If the brief letter does not fit either, we send a letter
        // without a reason: it is no larger than the job's message was, so it fits. Then only the log has the reason.
        return DeadLetter.Read(refused.Message) switch
        {
            { IsBrief: false } whole => new(deadLetterQueue, whole.Brief().Write(attempt.Message, attempt.Stamp)),
            { } => new(deadLetterQueue, DeadLetter.Bare(attempt.Message)),
            null => null,
        };
    }
}
