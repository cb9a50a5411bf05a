namespace Jobs.RabbitMQ;

// Who has waited too long.
sealed partial class PublishSession
{
    static readonly TimeSpan aMoment = TimeSpan.FromSeconds(2);

    /// <summary>Under the line's gate: who has waited too long, and whether the window is stuck.</summary>
    public void Sweep(long now, Func<PendingPublish, Exception> overdue)
    {
        foreach (var publish in window.InOrder().Where(p => !p.Done && p.Deadline <= now))
        {
            publish.Fail(overdue(publish));
        }

        // A sweep that comes late – this process was stopped, or starved – knows nothing: confirms may lie in the socket.
        var passed = time.GetElapsedTime(swept, now);
        var late = passed > aMoment;
        swept = now;
        if (late)
        {
            unblocked = now;
        }
        else if (!over && Blocked is null)
        {
            LosePatience(passed);
            if (Stuck(now) is { } reason)
            {
                incarnation.Abandon(reason);
            }
        }
    }

    void LosePatience(TimeSpan passed)
    {
        foreach (var reply in window.InOrder().Concat(line.Waiting).Where(p => p.IsReply && !p.Done))
        {
            reply.Patience -= passed;
            if (reply.Patience <= TimeSpan.Zero)
            {
                replies.Drop(reply, "it was not confirmed in time");
            }
        }
    }

    /// <summary>
    /// Some publishes are never confirmed nor refused: those that were on their way when their queue was deleted (3.10), those of a queue whose leader died before this channel first
    /// used it (the broker waits for it a minute), those to a peer that is silent. They would fill the window for all other queues. On another connection they go again, with the same ids.
    /// </summary>
    string? Stuck(long now)
    {
        // A reply that was given up holds nobody up while there is room for others.
        if (window.InOrder().FirstOrDefault(p => !HasRoom || !p.Done || !p.IsReply) is not { } oldest)
        {
            return null;
        }

        // Since it is the oldest, not since it was sent: behind a slow broker's long window a publish waits long, and nothing is wrong.
        var since = Math.Max(Math.Max(oldest.SentAt, oldestSince), unblocked);
        var waited = time.GetElapsedTime(since, now);
        var silence = time.GetElapsedTime(Math.Max(since, lastAnswer), now);
        var reason = waited > options.ConfirmTimeout ? $"a publish to {oldest.Queue} was not confirmed within {options.ConfirmTimeout}"
            : silence > options.ConfirmTimeout / 2 ? $"nothing was confirmed for {options.ConfirmTimeout / 2}"
            : !HasRoom && oldest.Done && waited > aMoment ? $"the oldest of a full window, to {oldest.Queue}, was not confirmed in time"
            : null;
        stuckQueue = reason is null ? null : oldest.Queue;
        return reason;
    }
}
