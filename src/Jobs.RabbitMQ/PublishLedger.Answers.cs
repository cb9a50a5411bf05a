namespace Jobs.RabbitMQ;

// What the broker says, and what its silence means.
sealed partial class PublishLedger
{
    /// <param name="of">The number of the channel.</param>
    /// <param name="tag">The sequence number.</param>
    /// <param name="multiple">Whether the answer is about all unconfirmed ones up to it.</param>
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

    /// <summary>Refused by the queue (full, or without a leader): not for good.</summary>
    public void Nacked(int of, ulong tag, bool multiple)
    {
        lock (gate)
        {
            if (of != channel)
            {
                return;
            }

            Answer(tag, multiple, time.GetTimestamp());
            foreach (var publish in answered)
            {
                line.PutAside(publish);
            }

            answered.Clear();
            Wake();
        }
    }

    /// <summary>No queue took the message. Comes before the ack of the same message.</summary>
    /// <returns>
    /// A queue that was deleted behind our back and has to be declared again, before the message goes again after the ack; or <see langword="null"/>.
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
    /// A memory or disk alarm began (<paramref name="reason"/>) or ended (<see langword="null"/>). Meanwhile nothing is written, no channel is stuck
    /// and no reply loses patience; callers still have their deadlines.
    /// </summary>
    /// <returns>How many wait, if this is a change; <see langword="null"/> if not.</returns>
    public int? SetBlocked(int of, string? reason)
    {
        lock (gate)
        {
            if (of != channel)
            {
                return null;
            }

            var (before, _) = (blocked, blocked = reason); // again for another alarm, it is no change
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

    /// <summary>The channel is over: what it left unconfirmed goes to the front of the line.</summary>
    /// <param name="of">The number of the channel.</param>
    /// <param name="refusal">
    /// What the broker said, when it closed the channel over a publish (too large, forbidden, unknown exchange), or the connection over a frame
    /// of one. It does not say which: all of them go again one at a time, and the one that is alone when it happens is the one.
    /// </param>
    /// <returns>How many go again, and the replies that nobody takes.</returns>
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
                    line.PutAside(publish); // or it would fill the next window before all others
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

    /// <summary>Tells whoever has waited too long, and brings back what was put aside.</summary>
    /// <param name="lastFailure">Why there is no connection, if there is none.</param>
    /// <returns>The replies that nobody takes; and the channel that is stuck, with the reason.</returns>
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

            // A sweep that comes late – this process was stopped, or starved – knows nothing: confirms may lie in the socket.
            var passed = time.GetElapsedTime(swept, now);
            swept = now;
            if (passed > longSilence)
            {
                unblocked = now;
            }
            else if (channel != 0 && blocked is null)
            {
                dropped = LosePatience(passed);
                reason = Stuck(now);
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
            // Its queue is declared again, after a pause, and it is sent once more.
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

    /// <summary>
    /// Some publishes are never confirmed nor refused: those that were on their way when their queue was deleted (3.10), those of a queue whose
    /// leader died before this channel first used it (the broker waits for it a minute), those to a peer that is silent. They would fill the window
    /// for all other queues. On another channel they go again, with the same ids.
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
        var reason = waited > confirmTimeout ? $"a publish to {oldest.Queue} was not confirmed within {confirmTimeout}"
            : silence > confirmTimeout / 2 ? $"nothing was confirmed for {confirmTimeout / 2}"
            : !HasRoom && oldest.Done && waited > longSilence ? $"the oldest of a full window, to {oldest.Queue}, was not confirmed in time"
            : null;
        stuckQueue = reason is null ? null : oldest.Queue;
        return reason;
    }
}
