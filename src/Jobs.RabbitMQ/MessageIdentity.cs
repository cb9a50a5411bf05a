using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>Proves that a message is the same message when the broker delivers it again from the same queue.</summary>
/// <remarks>
/// An id alone proves nothing: a retry copy has the id of the original, a user may use an id twice, and Celery sends no
/// timestamp. Two things are proof:
/// 1. The random stamp. Jobs writes one into every copy, and into every job whose id the user chose.
/// 2. An id that the dispatcher made: a UUID of version 7 whose time is the timestamp of the message.
/// </remarks>
/// <param name="Id">The job's id.</param>
/// <param name="Timestamp">The second in which the message was published.</param>
/// <param name="Stamp">The random stamp, if there is one.</param>
readonly record struct MessageIdentity(string Id, long Timestamp, int? Stamp)
{
    /// <returns>
    /// The identity; <see langword="null"/> when nothing tells the message from another one. Such a message is not
    /// recognised, and so runs again.
    /// </returns>
    public static MessageIdentity? Of(JobMessage message)
    {
        if (message.CorrelationId is not { } id)
        {
            return null;
        }

        if (message.Headers.TryGetValue(WireHeaders.Copy, out var copy) && copy is int stamp)
        {
            return new(id, message.Timestamp, stamp);
        }

        // The correlation id of a foreign message may be that of a whole web request.
        var isJobId = message.Headers.TryGetValue(WireHeaders.Id, out var jobId) && jobId is string text && text == id;
        return isJobId && PublishTime.Milliseconds(id, message.Timestamp) is not null ? new(id, message.Timestamp, null) : null;
    }
}
