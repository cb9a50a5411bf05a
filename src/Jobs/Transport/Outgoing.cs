using System.Diagnostics.CodeAnalysis;
using Jobs.Wire;

namespace Jobs.Transport;

/// <summary>One message on its way into a queue.</summary>
/// <param name="Queue">The queue it goes to.</param>
/// <param name="Message">The message; its headers belong to the transport from here on.</param>
/// <param name="Delay">How long the transport keeps the message back. Defaults to not at all.</param>
/// <param name="Kind">What happens when nobody can take the message. Defaults to <see cref="OutgoingKind.Work"/>.</param>
[Experimental("JOBS0001")]
public readonly record struct Outgoing(string Queue, JobMessage Message, TimeSpan Delay = default, OutgoingKind Kind = OutgoingKind.Work)
{
    /// <summary>2^28 − 1 seconds, what 28 binary levels can hold: eight and a half years.</summary>
    internal static TimeSpan MaxDelay { get; } = TimeSpan.FromSeconds((1 << 28) - 1);
}

/// <summary>What a message is for.</summary>
[Experimental("JOBS0001")]
public enum OutgoingKind
{
    /// <summary>It must not be lost: its queue is declared when it is not there, and a write that fails is an error.</summary>
    Work,

    /// <summary>
    /// An answer to somebody who may be gone. Its queue is never declared. When nobody takes the message – there is no
    /// such queue, the queue refuses it, or ten seconds pass without a confirm –
    /// it is dropped and counted, and its write counts as done.
    /// </summary>
    Reply,
}
