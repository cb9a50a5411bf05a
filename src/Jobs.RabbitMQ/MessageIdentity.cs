using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>What proves that a message is the same message when the broker delivers it again from the same queue.</summary>
/// <remarks>
/// An id alone proves nothing: a retry copy has the same one, a user may enqueue it again, and Celery sends no timestamp. Two things do:
/// the random stamp that Jobs writes into every copy, and into every job whose id the user chose; and an id that the
/// dispatcher made, a UUID of version 7 whose time is the message's.
/// </remarks>
/// <param name="Id">The job's id.</param>
/// <param name="Timestamp">The second of its publication.</param>
/// <param name="Stamp">The random stamp, if there is one.</param>
readonly record struct MessageIdentity(string Id, long Timestamp, int? Stamp)
{
    /// <returns><see langword="null"/> when nothing tells the message from another one: it must not be recognised, but run again.</returns>
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
