using System.Threading.Tasks.Sources;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>
/// One publish on its way to a confirm. Its caller awaits it, and the ledger uses the object again after that. The
/// ledger's lock guards all members.
/// </summary>
sealed class PendingPublish(PublishLedger ledger) : IValueTaskSource
{
    // Asynchronous, because confirms arrive on the connection's read loop: a caller's code must never run there.
    ManualResetValueTaskSourceCore<bool> completion = new() { RunContinuationsAsynchronously = true };
    CancellationTokenRegistration cancellation;
    LinkedListNode<PendingPublish>? node;
    bool reusable;

    /// <summary>
    /// The place of the publish in the line. It is in no list while the publish is on a channel or put aside.
    /// </summary>
    public LinkedListNode<PendingPublish> Node => node ??= new(this);

    public string Queue { get; private set; } = "";

    public JobMessage Message { get; private set; } = null!;

    /// <summary>
    /// Whether this is a reply, which may find nobody who takes it: see <see cref="OutgoingKind.Reply"/>.
    /// </summary>
    public bool IsReply { get; private set; }

    /// <summary>
    /// How much longer a reply waits for its confirm. The time counts only while the channel is open and the broker
    /// does not block.
    /// </summary>
    public TimeSpan Patience { get; set; }

    /// <summary>How many whole seconds the delay levels keep the message; 0 for no delay.</summary>
    public int DelaySeconds { get; private set; }

    /// <summary>When the caller gives up, as a timestamp; <see cref="long.MaxValue"/> for never.</summary>
    public long Deadline { get; private set; }

    /// <summary>When the broker first refused the publish, as a timestamp; 0 when the broker did not.</summary>
    public long RefusedAt { get; set; }

    /// <summary>When a publish that is put aside may go again, as a timestamp.</summary>
    public long NotBefore { get; set; }

    /// <summary>When the publish was last written, as a timestamp.</summary>
    public long SentAt { get; set; }

    /// <summary>
    /// Whether the publish was written to a connection. From then until a confirm, nobody knows whether the broker has
    /// it.
    /// </summary>
    public bool MaybeSent { get; set; }

    /// <summary>Whether the caller has an answer. Code that still holds a publish that is done drops it.</summary>
    public bool Done { get; private set; }

    /// <summary>Why the broker returned the message; <see langword="null"/> when the broker did not.</summary>
    public string? Returned { get; set; }

    /// <summary>Whether the queue was declared again after a return. A second return is final.</summary>
    public bool Redeclared { get; set; }

    public ValueTask Task => new(this, completion.Version);

    public void Begin(Outgoing outgoing, int delaySeconds, long deadline, TimeSpan patience)
    {
        (Queue, Message, IsReply) = (outgoing.Queue, outgoing.Message, outgoing.Kind == OutgoingKind.Reply);
        (DelaySeconds, Deadline, Patience, RefusedAt) = (delaySeconds, deadline, patience, 0);
        (MaybeSent, Done, Returned, Redeclared, reusable) = (false, false, null, false, false);
    }

    /// <summary>
    /// The broker has confirmed the message. Only the caller still refers to this object, so it can be used again.
    /// </summary>
    public void Confirm()
    {
        Done = true;
        reusable = true;
        completion.SetResult(true);
    }

    /// <summary>
    /// Nobody takes this reply. For the caller, this is as good as a confirm. Other code may still refer to this
    /// object, so it is not used again.
    /// </summary>
    public void Drop()
    {
        Done = true;
        completion.SetResult(true);
    }

    public void Fail(Exception e)
    {
        Done = true;
        completion.SetException(e);
    }

    /// <summary>
    /// Whether the publish waits for this declaration. A reply waits for none: nobody declares the queue of a reply.
    /// </summary>
    public bool Needs(string queue, bool delayed) => !IsReply && Queue == queue && DelaySeconds > 0 == delayed;

    public (string Exchange, string Key) Route(QueueLayout layout) =>
        DelaySeconds == 0 ? ("", Queue) : (layout.DelayLevel(Delays.HighestLevel(DelaySeconds)).Name, Delays.Key(DelaySeconds, Queue));

    /// <summary>Makes the caller's token end the wait of the caller.</summary>
    public void CancelWith(CancellationToken token)
    {
        if (token.CanBeCanceled)
        {
            cancellation = token.UnsafeRegister(static (state, token) => ((PendingPublish)state!).Cancel(token), this);
        }
    }

    void Cancel(CancellationToken token) => ledger.Cancel(this, token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => completion.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        completion.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.GetResult(short token)
    {
        try
        {
            completion.GetResult(token);
        }
        finally
        {
            cancellation.Dispose();
            if (reusable)
            {
                completion.Reset();
                Message = null!;
                ledger.Reuse(this);
            }
        }
    }
}
