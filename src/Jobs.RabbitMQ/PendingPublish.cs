using System.Threading.Tasks.Sources;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>One publish on its way to a confirm: awaited by its caller, and used again after that. The ledger's lock guards all members.</summary>
sealed class PendingPublish(PublishLedger ledger) : IValueTaskSource
{
    // Asynchronous, because confirms come in on the connection's read loop: a caller's code must never run there.
    ManualResetValueTaskSourceCore<bool> completion = new() { RunContinuationsAsynchronously = true };
    CancellationTokenRegistration cancellation;
    LinkedListNode<PendingPublish>? node;
    bool reusable;

    /// <summary>Its place in the line; in no list while it is on a channel or put aside.</summary>
    public LinkedListNode<PendingPublish> Node => node ??= new(this);

    public string Queue { get; private set; } = "";

    public JobMessage Message { get; private set; } = null!;

    /// <summary>Nobody may be there to take it: see <see cref="OutgoingKind.Reply"/>.</summary>
    public bool IsReply { get; private set; }

    /// <summary>Of a reply: how long it still waits for its confirm. The time counts only while its channel is open and the broker does not block.</summary>
    public TimeSpan Patience { get; set; }

    /// <summary>Whole seconds that the delay levels keep it; 0 for not at all.</summary>
    public int DelaySeconds { get; private set; }

    /// <summary>When its caller gives up, as a timestamp; <see cref="long.MaxValue"/> for never.</summary>
    public long Deadline { get; private set; }

    /// <summary>While it is put aside: when it may go again, as a timestamp.</summary>
    public long NotBefore { get; set; }

    /// <summary>When it was last written, as a timestamp.</summary>
    public long SentAt { get; set; }

    /// <summary>It has been written to some connection: from then on its fate is unknown until a confirm.</summary>
    public bool MaybeSent { get; set; }

    /// <summary>The caller has its answer; whoever still holds this drops it.</summary>
    public bool Done { get; private set; }

    /// <summary>Why the broker returned it, when it did.</summary>
    public string? Returned { get; set; }

    /// <summary>Its queue was declared again after a return; a second return is final.</summary>
    public bool Redeclared { get; set; }

    public ValueTask Task => new(this, completion.Version);

    public void Begin(Outgoing outgoing, int delaySeconds, long deadline, TimeSpan patience)
    {
        (Queue, Message, IsReply) = (outgoing.Queue, outgoing.Message, outgoing.Kind == OutgoingKind.Reply);
        (DelaySeconds, Deadline, Patience) = (delaySeconds, deadline, patience);
        (MaybeSent, Done, Returned, Redeclared, reusable) = (false, false, null, false, false);
    }

    /// <summary>It was confirmed, and nobody but its caller refers to it any more.</summary>
    public void Confirm()
    {
        Done = true;
        reusable = true;
        completion.SetResult(true);
    }

    /// <summary>A reply that nobody takes: for its caller that is as good as a confirm. Somebody may still refer to it, so it is not used again.</summary>
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

    /// <summary>Whether it waits for this declaration. Nobody declares the queue of a reply.</summary>
    public bool Needs(string queue, bool delayed) => !IsReply && Queue == queue && DelaySeconds > 0 == delayed;

    public (string Exchange, string Key) Route(QueueLayout layout) =>
        DelaySeconds == 0 ? ("", Queue) : (layout.DelayLevel(Delays.HighestLevel(DelaySeconds)).Name, Delays.Key(DelaySeconds, Queue));

    /// <summary>Its caller no longer wants to wait for it when the token fires.</summary>
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
