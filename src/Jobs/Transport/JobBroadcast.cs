using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>
/// Messages to all processes that listen now. Nothing is kept for a process that does not listen, and a message may be
/// lost: so only messages go this way without which jobs go on, such as events.
/// </summary>
[Experimental("JOBS0001")]
public abstract class JobBroadcast
{
    /// <summary>
    /// Sends a message to all who listen to its topic. Never waits and never throws: a message that cannot be sent in
    /// time is dropped and counted. Any number of threads may call this; the messages of one thread stay in order.
    /// </summary>
    public abstract void Send(BroadcastMessage message);

    /// <summary>How many events of this process were dropped so far, because they could not be sent in time.</summary>
    public abstract long Dropped { get; }

    /// <summary>
    /// Listens to topics. When the call returns, the subscription hears every message that is sent from then on. When
    /// the transport is away, the call waits for it. The subscription outlives a lost connection; what is sent
    /// meanwhile may be lost.
    /// </summary>
    /// <param name="pattern">
    /// The topics: words with dots between them. <c>*</c> stands for one word and <c>#</c> for any number of words:
    /// <c>task.#</c>, or <c>#</c> for all topics.
    /// </param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="JobTransportException">
    /// The transport refuses, for example because a right is missing.
    /// </exception>
    public abstract Task<BroadcastSubscription> ListenAsync(string pattern, CancellationToken cancellationToken);
}

/// <summary>What one listener hears. It keeps a bounded number of messages, and drops the oldest ones.</summary>
[Experimental("JOBS0001")]
public abstract class BroadcastSubscription : IAsyncDisposable
{
    /// <summary>Waits for the next message; <see langword="null"/> when the subscription is over.</summary>
    public abstract ValueTask<BroadcastMessage?> NextAsync(CancellationToken cancellationToken);

    /// <summary>How many messages were dropped so far, because they were not taken in time.</summary>
    public abstract long Dropped { get; }

    /// <summary>Ends the subscription.</summary>
    public abstract ValueTask DisposeAsync();
}

/// <summary>One message of a broadcast.</summary>
[Experimental("JOBS0001")]
public sealed class BroadcastMessage
{
    /// <summary>The topic: words with dots between them, such as <c>worker.heartbeat</c>.</summary>
    public required string Topic { get; init; }

    /// <summary>The message, as JSON. The broadcast keeps these bytes: nobody may change them afterwards.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The name of the worker or process that sends the message.</summary>
    public required string Sender { get; init; }

    /// <summary>How many events the message has, for the counts of what was dropped. Defaults to 1.</summary>
    public int Events { get; init; } = 1;

    /// <summary>
    /// When it is too late to send the message: after a lost connection, old heartbeats say nothing. Such a message is
    /// not counted as dropped. Defaults to never.
    /// </summary>
    public DateTimeOffset SendBy { get; init; } = DateTimeOffset.MaxValue;
}
