using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>Settles deliveries: what comes of a job is written first, then the job leaves its queue.</summary>
sealed class Settlement(IOptions<JobsOptions> options, TimeProvider time)
{
    readonly string deadLetterQueue = options.Value.DeadLetterQueue;

    /// <summary>Throws when the transport does: the caller then releases the delivery, and never acks it.</summary>
    public async ValueTask ApplyAsync(Delivery delivery, Outcome outcome)
    {
        if (outcome is Outcome.Interrupted)
        {
            await delivery.ReleaseAsync().ConfigureAwait(false);
            return;
        }

        var outgoing = FollowUps(delivery, outcome);
        while (true)
        {
            try
            {
                await delivery.SettleAsync(outgoing).ConfigureAwait(false);
                return;
            }
            catch (SettlementException e) when (!e.IsTransient)
            {
                // Given back, the job would run, end the same way and be refused again, for ever.
                outgoing = [.. e.Failures.Select(failure => InsteadOf(outgoing[failure.Key], failure.Value) ?? throw e)];
            }
        }
    }

    IReadOnlyList<Outgoing> FollowUps(Delivery delivery, Outcome outcome) => outcome switch
    {
        Outcome.Succeeded or Outcome.Revoked => [],
        Outcome.Retry retry => [new(delivery.Queue, retry.Next, retry.Delay)],
        Outcome.Dead dead => [new(deadLetterQueue, dead.Letter.Write(delivery.Message, Random.Shared.Next()))],
        _ => throw new InvalidOperationException($"{outcome} is not an outcome."),
    };

    /// <summary>What takes the place of something that the transport refuses for good; <see langword="null"/> when there is nothing left to try.</summary>
    Outgoing? InsteadOf(Outgoing refused, Exception why)
    {
        if (refused.Queue != deadLetterQueue)
        {
            var letter = new DeadLetter { Reason = $"It was to run again, but its copy was refused. {why.Message}", At = time.GetUtcNow(), Queue = refused.Queue };
            return new(deadLetterQueue, letter.Write(refused.Message, Random.Shared.Next()));
        }

        // The job's own headers may nearly fill a frame, so that they fit no more together with the exception and its stack.
        return DeadLetter.Read(refused.Message) is { IsBrief: false } whole ? refused with { Message = whole.Brief().Write(refused.Message, Random.Shared.Next()) } : null;
    }
}
