using Jobs.Wire;

namespace Jobs.Transport;

/// <summary>What a look at a waiting message shows.</summary>
static class MessageFacts
{
    public static DelayedJobInfo Delayed(JobMessage message, string queue, DateTimeOffset due) => new()
    {
        Id = message.Headers.Id,
        Task = message.Headers.Task,
        Queue = queue,
        DueAt = due,
        Retries = message.Headers.Retries,
    };

    /// <summary>
    /// Since when a message waits: since it was due, or else since it was enqueued, exact to a second;
    /// <see langword="null"/> when it does not say it.
    /// </summary>
    public static DateTimeOffset? Since(JobMessage message) =>
        message.Headers.Eta is { } due ? due
        : message.Timestamp is > 0 and <= 253_402_300_799 and var seconds ? DateTimeOffset.FromUnixTimeSeconds(seconds)
        : null;
}
