using Jobs.Wire;

namespace Jobs.Transport;

/// <summary>
/// What a look at a waiting message shows. Anybody may have sent it, so a header of the wrong type counts as missing.
/// </summary>
static class MessageFacts
{
    public static DelayedJobInfo Delayed(JobMessage message, string queue, DateTimeOffset due) => new()
    {
        Id = message.Headers.GetValueOrDefault(WireHeaders.Id) as string,
        Task = message.Headers.GetValueOrDefault(WireHeaders.Task) as string,
        Queue = queue,
        DueAt = due,
        Retries = RetriesOf(message),
    };

    /// <summary>
    /// Since when a message waits: since it was due, or else since it was enqueued, exact to a second;
    /// <see langword="null"/> when it does not say it.
    /// </summary>
    public static DateTimeOffset? Since(JobMessage message) =>
        EtaOf(message) ?? (message.Timestamp is > 0 and <= 253_402_300_799 and var seconds ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null);

    static int RetriesOf(JobMessage message)
    {
        try
        {
            return message.Headers.Retries;
        }
        catch (JobFormatException)
        {
            return 0;
        }
    }

    static DateTimeOffset? EtaOf(JobMessage message)
    {
        try
        {
            return message.Headers.Eta;
        }
        catch (JobFormatException)
        {
            return null;
        }
    }
}
