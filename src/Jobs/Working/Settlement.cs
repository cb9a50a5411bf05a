using Jobs.Transport;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>Settles deliveries. Every line before the last writes the job's next home; the last leaves the old one.</summary>
sealed class Settlement(IOptions<JobsOptions> options)
{
    readonly string deadLetterQueue = options.Value.DeadLetterQueue;

    /// <summary>Throws when the transport does: the caller then releases the delivery, and never acks it.</summary>
    public ValueTask ApplyAsync(Delivery delivery, Outcome outcome) => outcome switch
    {
        Outcome.Succeeded => delivery.AckAsync(),
        Outcome.Retry retry => delivery.RetryAsync(retry.Next, retry.Delay),
        Outcome.Dead dead => delivery.DeadLetterAsync(deadLetterQueue, dead.Letter),
        Outcome.Revoked => delivery.AckAsync(),
        Outcome.Interrupted => delivery.ReleaseAsync(),
        _ => throw new InvalidOperationException($"{outcome} is not an outcome."),
    };
}
