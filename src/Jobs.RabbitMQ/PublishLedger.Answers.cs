namespace Jobs.RabbitMQ;

// The broker's answers, and what its silence means.
sealed partial class PublishLedger
{
    /// <summary>The broker has confirmed one publish, or all unconfirmed publishes up to it.</summary>
    /// <param name="of">The number of the channel.</param>
    /// <param name="tag">The sequence number.</param>
    /// <param name="multiple">Whether the confirm is for all unconfirmed publishes up to the sequence number.</param>
    /// <param name="latencies">Gets how long each confirm took, for the metrics.</param>
    /// <returns>The replies that nobody takes.</returns>
    public IReadOnlyList<DroppedReply> Confirmed(int of, ulong tag, bool multiple, List<(string Queue, TimeSpan Latency)> latencies)
    {
        lock (gate)
        {
            if (of != channel)
            {
                return [];
            }

            List<DroppedReply>? dropped = null;
            var now = time.GetTimestamp();
            Answer(tag, multiple, now);
            foreach (var publish in answered)
            {
                var latency = time.GetElapsedTime(publish.SentAt, now);
                confirms.Add(latency, now);
                latencies.Add((publish.Queue, latency));
                suspects = Math.Max(0, suspects - 1);
                refusing.Took(publish.Queue);
                if (publish.Done)
                {
                    continue;
                }

                if (publish is { IsReply: true, Returned: { } why })
                {
                    (dropped ??= []).Add(Drop(publish, $"the broker returned it ({why})"));
                }
                else
                {
                    Settle(publish);
                }
            }

            answered.Clear();
            Wake();
            return dropped ?? (IReadOnlyList<DroppedReply>)[];
        }
    }

    /// <summary>The queue refused the message: it is full or has no leader. The refusal is not for good.</summary>
    public void Nacked(int of, ulong tag, bool multiple)
    {
        lock (gate)
        {
            if (of != channel)
            {
                return;
            }

            var now = time.GetTimestamp();
            Answer(tag, multiple, now);
            foreach (var publish in answered)
            {
                publish.RefusedAt = publish.RefusedAt == 0 ? now : publish.RefusedAt;
                if (!publish.IsReply)
                {
                    refusing.Refused(publish.Queue, channel, now);
                }

                line.PutAside(publish);
            }

            answered.Clear();
            Wake();
        }
    }

    /// <summary>No queue took the message. The broker's return comes before its ack of the same message.</summary>
    /// <returns>
    /// A queue that somebody deleted, and that must be declared before the message goes again after the ack; or
    /// <see langword="null"/>.
    /// </returns>
    public string? Returned(int of, string? id, string key, string why)
    {
        lock (gate)
        {
            bool IsIt(PendingPublish p) => p.Returned is null && p.Message.CorrelationId == id && p.Route(layout).Key == key;
            if (of == channel && window.InOrder().FirstOrDefault(IsIt) is { } publish)
            {
                publish.Returned = why;
                return publish.Done || publish.IsReply || !GoesAgain(publish) ? null : publish.Queue;
            }

            return null;
        }
    }

    /// <summary>
    /// A memory or disk alarm began (<paramref name="reason"/>) or ended (<see langword="null"/>). During an alarm
    /// nothing is written, no channel counts as stuck, and no reply loses patience; callers still have their deadlines.
    /// </summary>
    /// <returns>How many publishes wait, if this is a change; <see langword="null"/> if not.</returns>
    public int? SetBlocked(int of, string? reason)
    {
        lock (gate)
        {
            if (of != channel)
            {
                return null;
            }

            var (before, _) = (blocked, blocked = reason); // a second alarm while the first lasts is no change
            if ((before is null) == (reason is null))
            {
                return null;
            }

            if (reason is not null)
            {
                blockedSince = time.GetTimestamp();
            }
            else
            {
                unblocked = time.GetTimestamp();
                Wake();
            }

            return line.Count;
        }
    }

    /// <summary>The channel is over. Its unconfirmed publishes go to the front of the line.</summary>
    /// <param name="of">The number of the channel.</param>
    /// <param name="refusal">
    /// What the broker said when it closed the channel because of a publish (too large, forbidden, unknown exchange),
    /// or the connection because of a frame of a publish. The broker does not say which publish it refuses. So all of
    /// them go again one at a time. The one that is alone on the channel at the next refusal is the refused one.
    /// </param>
    /// <returns>How many publishes go again, and the replies that nobody takes.</returns>
    public (int Unknown, IReadOnlyList<DroppedReply> Dropped) End(int of, string? refusal)
    {
        lock (gate)
        {
            if (of != channel)
            {
                return (0, []);
            }

            List<DroppedReply> dropped = [];
            var alone = window.Count == 1;
            var unknown = window.InOrder().Where(p => !p.Done).ToList();
            if (refusal is not null && alone && unknown is [var guilty])
            {
                unknown.Clear();
                if (guilty.IsReply)
                {
                    dropped.Add(Drop(guilty, $"the broker refused it ({refusal})"));
                }
                else
                {
                    guilty.Fail(PublishErrors.RefusedByBroker(guilty, refusal));
                }
            }

            suspects = refusal is not null ? unknown.Count : suspects;
            foreach (var publish in Enumerable.Reverse(unknown))
            {
                publish.Returned = null;
                if (publish.Queue == stuckQueue)
                {
                    line.PutAside(publish); // otherwise publishes to the stuck queue would fill the next window first
                }
                else
                {
                    line.PutFirst(publish);
                }
            }

            window = new(size);
            (channel, blocked, stuckQueue) = (0, null, null);
            Wake();
            return (unknown.Count, dropped);
        }
    }

    /// <summary>
    /// Fails each publish that has waited too long, and brings back the publishes that were put aside.
    /// </summary>
    /// <param name="lastFailure">Why there is no connection, if there is none.</param>
    /// <returns>The replies that nobody takes, and the channel that is stuck, with the reason.</returns>
    public (IReadOnlyList<DroppedReply> Dropped, (int Channel, string Reason)? Stuck) Sweep(Exception? lastFailure)
    {
        lock (gate)
        {
            var now = time.GetTimestamp();
            foreach (var publish in line.Waiting.Concat(window.InOrder()).Where(p => !p.Done && p.Deadline <= now))
            {
                publish.Fail(PublishErrors.Overdue(publish, blocked, lastFailure));
            }

            IReadOnlyList<DroppedReply> dropped = [];
            string? reason = null;

            // A sweep comes late when this process was suspended or starved. Such a sweep cannot judge: confirms may
            // lie unread in the socket.
            var passed = time.GetElapsedTime(swept, now);
            swept = now;
            if (passed > longSilence)
            {
                unblocked = now;
            }
            else if (channel != 0 && blocked is null)
            {
                dropped = LosePatience(passed);
                reason = Stuck(now) ?? Refusing(now);
            }

            line.Sweep(now);
            Wake();
            return (dropped, reason is null ? null : (channel, reason));
        }
    }

    void Answer(ulong tag, bool multiple, long now)
    {
        var oldest = window.Oldest;
        window.Take(tag, multiple, answered);
        lastAnswer = now;
        oldestSince = window.Oldest == oldest ? oldestSince : now;
    }

    void Settle(PendingPublish publish)
    {
        if (publish.Returned is null)
        {
            publish.Confirm();
        }
        else if (!GoesAgain(publish))
        {
            publish.Fail(PublishErrors.Unroutable(publish, publish.Route(layout).Exchange));
        }
        else
        {
            // The queue is declared again after a pause, and the message is sent once more.
            (publish.Redeclared, publish.Returned, publish.MaybeSent) = (true, null, false);
            line.PutAside(publish);
        }
    }

    bool GoesAgain(PendingPublish returned) => !returned.Redeclared && declare == DeclareMode.Declare;

    List<DroppedReply> LosePatience(TimeSpan passed)
    {
        List<DroppedReply> dropped = [];
        foreach (var reply in window.InOrder().Concat(line.Waiting).Where(p => p.IsReply && !p.Done))
        {
            reply.Patience -= passed;
            if (reply.Patience <= TimeSpan.Zero)
            {
                dropped.Add(Drop(reply, "it was not confirmed in time"));
            }
        }

        return dropped;
    }

    /// <summary>Why the channel is stuck, or <see langword="null"/>.</summary>
    /// <remarks>
    /// The broker neither confirms nor refuses some publishes:
    /// 1. those that were on their way when their queue was deleted (3.10);
    /// 2. those of a queue whose leader died before this channel first used the queue (the broker waits a minute for
    /// the leader);
    /// 3. those to a silent peer;
    /// 4. now and then one that was on its way to a leader whose node was suspended, although the next ones are confirmed
    /// (3.10).
    /// Such publishes would fill the window for all other queues. So they go again on another channel, with the same
    /// ids.
    /// </remarks>
    string? Stuck(long now)
    {
        // A dropped reply holds nobody up while the window has room for other publishes.
        if (window.InOrder().FirstOrDefault(p => !HasRoom || !p.Done || !p.IsReply) is not { } oldest)
        {
            return null;
        }

        // The time counts from the moment when the publish became the oldest, not from its write. Behind a slow
        // broker's long window a publish waits long, and nothing is wrong.
        var since = Math.Max(Math.Max(oldest.SentAt, oldestSince), unblocked);
        var waited = time.GetElapsedTime(since, now);
        var silence = time.GetElapsedTime(Math.Max(since, lastAnswer), now);

        // Half of a reply's patience is left for the next channel.
        var limit = oldest.IsReply && confirmTimeout > replyPatience / 2 ? replyPatience / 2 : confirmTimeout;
        var reason = waited > limit ? $"a publish to {oldest.Queue} was not confirmed within {limit}"
            : silence > confirmTimeout / 2 ? $"nothing was confirmed for {confirmTimeout / 2}"
            : !HasRoom && oldest.Done && waited > longSilence ? $"the oldest of a full window, to {oldest.Queue}, was not confirmed in time"
            : null;
        stuckQueue = reason is null ? null : oldest.Queue;
        return reason;
    }

    /// <summary>Why a publish may get through on another channel, or <see langword="null"/>.</summary>
    /// <remarks>
    /// RabbitMQ up to 3.12.4 looks for the leader of a quorum queue once for each channel, at the first publish to the
    /// queue. When this leader's node is dead and no other leader is elected yet, the channel refuses all messages to
    /// the queue until the node is back (rabbit_fifo_client:enqueue/3; mended by server commit 27886dd9a2). A new
    /// channel looks for the leader again.
    /// </remarks>
    string? Refusing(long now)
    {
        foreach (var publish in line.Waiting)
        {
            if (publish.RefusedAt > 0 && (publish.IsReply
                ? time.GetElapsedTime(Math.Max(publish.RefusedAt, unblocked), now) > refusalPatience
                : refusing.IsOverdue(publish.Queue, channel, unblocked, now)))
            {
                return $"the broker refuses everything for {publish.Queue}";
            }
        }

        return null;
    }
}
