using System.Diagnostics.CodeAnalysis;
using Jobs.Wire;

namespace Jobs.Transport;

/// <summary>One message on its way into a queue.</summary>
/// <param name="Queue">The queue that the message goes to.</param>
/// <param name="Message">The message. The transport owns its headers from now on, and may change them.</param>
/// <param name="Delay">How long the transport keeps the message back. Defaults to not at all.</param>
/// <param name="Kind">
/// What happens when nobody can take the message. Defaults to <see cref="OutgoingKind.Work"/>.
/// </param>
[Experimental("JOBS0001")]
public readonly record struct Outgoing(string Queue, JobMessage Message, TimeSpan Delay = default, OutgoingKind Kind = OutgoingKind.Work)
{
    /// <summary>
    /// Whether the publish does nothing, and succeeds, while another message with this correlation id is pending that
    /// was also published so. A message is pending until it has been settled or acknowledged early; its next attempt,
    /// which is a follow-up with the same id in the same queue, is pending too. A transport without
    /// <see cref="TransportCapabilities.UnlessPending"/> ignores this. Defaults to <see langword="false"/>: two
    /// publishes with one id are two messages.
    /// </summary>
    public bool UnlessPending { get; init; }

    /// <summary>The id that must not be pending; <see langword="null"/> for any other message.</summary>
    internal string? PendingId => UnlessPending ? Message.CorrelationId : null;

    /// <summary>
    /// The longest delay: 2^28 − 1 seconds, or eight and a half years, which is what 28 binary levels can hold.
    /// </summary>
    internal static TimeSpan MaxDelay { get; } = TimeSpan.FromSeconds((1 << 28) - 1);
}

/// <summary>What a message is for.</summary>
[Experimental("JOBS0001")]
public enum OutgoingKind
{
    /// <summary>
    /// A message that must not be lost. The transport declares the queue when it does not exist, and a failed write is
    /// an error.
    /// </summary>
    Work,

    /// <summary>
    /// An answer to somebody who may be gone. The transport never declares its queue. When nobody takes the message
    /// (the queue does not exist, the queue refuses the message, or ten seconds pass without a confirm), the transport
    /// drops and counts the message, and treats the write as done.
    /// </summary>
    Reply,

    /// <summary>
    /// A record for the journal that the message names as its queue: see <see cref="JobTransport.OpenJournal"/>. The
    /// body is the record, and nothing else of the message counts.
    /// </summary>
    Record,
}
