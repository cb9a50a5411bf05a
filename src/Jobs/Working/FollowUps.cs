using Jobs.Control;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>
/// Makes the messages that follow an attempt: a retry copy or a dead letter, the next job of a chain, callbacks, and
/// what the caller is told. The transport writes them before the attempt's own message leaves its queue. The same
/// attempt always gives the same messages.
/// </summary>
sealed class FollowUps(IOptions<JobsOptions> options, Links links)
{
    readonly string deadLetterQueue = options.Value.DeadLetterQueue;
    readonly EndNews news = new(options.Value);

    /// <summary>The messages that follow, for any outcome but an interruption.</summary>
    public IReadOnlyList<Outgoing> Of(Attempt attempt) => attempt.Outcome switch
    {
        Outcome.Succeeded when attempt.After is null => [],
        Outcome.Succeeded succeeded => [.. AfterSuccess(attempt, succeeded.Result), .. news.Of(attempt, [])],
        Outcome.Retry retry => [new(attempt.Delivery.Queue, attempt.Envelope!.Retry(retry.Eta, attempt.Stamp), retry.Delay), .. news.Of(attempt, [])],
        Outcome.Postponed postponed => [new(attempt.Delivery.Queue, Postponed(attempt, postponed.Eta), postponed.Delay)],
        Outcome.Dead dead => [.. Dead(attempt.Message, dead.Letter, attempt.Stamp), .. AfterFailure(attempt, dead.News())],
        Outcome.Expired => AfterFailure(attempt, EndNews.Expired),
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
            if (outgoing[position].Kind is OutgoingKind.Reply or OutgoingKind.Record)
            {
                continue;
            }

            var before = substitutes.Count;
            substitutes.AddRange(InsteadOf(outgoing[position], why, attempt, now));
            if (substitutes.Count == before)
            {
                return null;
            }
            if (IsLink(outgoing[position], attempt) && outgoing[position].Queue != deadLetterQueue)
            {
                substitutes.AddRange(news.OfDeadLink(outgoing[position].Message, ReasonOf(why, attempt), now));
            }
        }

        return substitutes;
    }

    IEnumerable<Outgoing> AfterSuccess(Attempt attempt, ReadOnlyMemory<byte> result) =>
        attempt.After?.Embed is { } embed ? links.AfterSuccess(attempt, embed, result).SelectMany(link => Routed(link, attempt)) : [];

    // Not declared as a List: the switch in Of would take that type, and make an empty list for each plain job.
    IReadOnlyList<Outgoing> AfterFailure(Attempt attempt, JobError error)
    {
        var embed = attempt.After?.Embed ?? Embed.OfMessage(attempt.Message); // the body of a job that did not run was not split
        var errbacks = embed is null ? [] : links.AfterFailure(attempt, embed, error).SelectMany(link => Routed(link, attempt));
        return [.. errbacks, .. news.Of(attempt, embed?.Chain ?? [])];
    }

    // A link without a queue becomes a dead letter of its own, because its job has done its part.
    IEnumerable<Outgoing> Routed(Outgoing link, Attempt attempt) => link.Queue.Length > 0 ? [link] : DeadLink(
        link,
        $"It follows job {attempt.Id}, and nobody knows the queue of its task '{link.Message.Headers.Task}'. Add the task's pattern to Jobs:Routes.",
        attempt,
        attempt.EndedAt);

    IEnumerable<Outgoing> DeadLink(Outgoing link, string reason, Attempt attempt, DateTimeOffset now)
    {
        var letter = new DeadLetter { Reason = reason, At = now, Queue = link.Queue.Length > 0 ? link.Queue : null };
        return [.. Dead(link.Message, letter, attempt.Stamp), .. news.OfDeadLink(link.Message, reason, now)];
    }

    /// <summary>A dead letter, and what the keeper is told of it.</summary>
    IEnumerable<Outgoing> Dead(JobMessage message, DeadLetter letter, int stamp) =>
        [new(deadLetterQueue, letter.Write(message, stamp)), Letters.Record(deadLetterQueue, message, letter)];

    static JobMessage Postponed(Attempt attempt, DateTimeOffset? eta)
    {
        var copy = attempt.Message.Copy(attempt.Stamp);
        copy.Headers.Eta = eta ?? copy.Headers.Eta;
        return copy;
    }

    static bool IsLink(Outgoing refused, Attempt attempt) => refused.Message.CorrelationId is { } id && id != attempt.Message.CorrelationId;

    static string ReasonOf(Exception why, Attempt attempt) => $"It follows job {attempt.Id}, but the transport refused it. {why.Message}";

    IEnumerable<Outgoing> InsteadOf(Outgoing refused, Exception why, Attempt attempt, DateTimeOffset now)
    {
        var isLink = IsLink(refused, attempt);
        if (refused.Queue != deadLetterQueue)
        {
            var letter = new DeadLetter
            {
                Reason = isLink
                    ? ReasonOf(why, attempt)
                    : $"It was to run again, but the transport refused its retry copy. {why.Message}",
                At = now,
                Queue = isLink ? refused.Queue : attempt.Delivery.Queue,
                Attempts = isLink ? 0 : attempt.Number,
            };
            return Dead(isLink ? refused.Message : attempt.Message, letter, attempt.Stamp);
        }

        // The job's own headers may nearly fill a frame. If a letter with the exception and its stack does not fit, we
        // try a brief letter with a short reason only. If the brief letter does not fit either, we send a letter
        // without a reason: it is no larger than the job's message was, so it fits. Then only the log has the reason.
        return DeadLetter.Read(refused.Message) switch
        {
            { IsBrief: false } whole => [new(deadLetterQueue, whole.Brief().Write(isLink ? refused.Message : attempt.Message, attempt.Stamp))],
            { } brief when isLink => [new(deadLetterQueue, DeadLetter.Bare(refused.Message) with { Body = "[[],{},{}]"u8.ToArray() })],
            { } => [new(deadLetterQueue, DeadLetter.Bare(attempt.Message))],
            null => [],
        };
    }
}
