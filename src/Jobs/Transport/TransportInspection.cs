using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>
/// Looks at queues and at the transport itself, for <see cref="JobInspector"/>. It is never on the path of a job: it
/// takes nothing, changes nothing and declares nothing, and no call scans what has ended.
/// </summary>
[Experimental("JOBS0001")]
public abstract class TransportInspection
{
    /// <summary>Which figures the transport knows. Figures that it does not know stay <see langword="null"/>.</summary>
    public abstract InspectionCapabilities Capabilities { get; }

    /// <summary>
    /// The figures of queues. Queues that the transport knows are added; Jobs' own queues are left out, but the dead-letter
    /// queue may be among them.
    /// </summary>
    /// <param name="known">The queues that the caller knows. A queue that does not exist has no jobs.</param>
    /// <param name="cancellationToken">The caller's deadline.</param>
    /// <exception cref="JobTransportException">The transport cannot be asked now.</exception>
    public abstract Task<QueuePage> QueuesAsync(IReadOnlyCollection<string> known, CancellationToken cancellationToken);

    /// <summary>Delayed jobs, those that are due first in front.</summary>
    /// <param name="limit">How many jobs at most.</param>
    /// <param name="after">Where the page begins: <see cref="DelayedPage.Next"/> of the page before.</param>
    /// <param name="cancellationToken">The caller's deadline.</param>
    /// <exception cref="ArgumentException"><paramref name="after"/> is not from another page.</exception>
    /// <exception cref="JobTransportException">The transport cannot be asked now.</exception>
    public abstract Task<DelayedPage> DelayedAsync(int limit, string? after, CancellationToken cancellationToken);

    /// <summary>How the transport is. Does not throw when it is down, but says so.</summary>
    /// <param name="cancellationToken">The caller's deadline.</param>
    public abstract Task<TransportInfo> LookAsync(CancellationToken cancellationToken);
}
