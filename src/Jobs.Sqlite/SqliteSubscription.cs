using System.Threading.Channels;
using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>One worker's stream of deliveries: claims messages for a session of its own.</summary>
sealed class SqliteSubscription : JobSubscription, IClaimer
{
    const int MostAtOnce = 1000; // in one transaction, which others wait for

    readonly Engine engine;
    readonly Session session;
    readonly Lane[] lanes;
    readonly Task begin;
    readonly int suspectAfter;
    readonly Channel<SqliteDelivery> ready = Channel.CreateUnbounded<SqliteDelivery>();

    // Claims of transactions that failed. After a failed sync they may be in the file all the same, so the next
    // transaction undoes them. A claim that is not there is not undone.
    readonly List<(Lane Lane, long Seq, long Urgency, int Deliveries)> doubtful = [];
    volatile bool stopped;
    int closing;

    SqliteSubscription(Engine engine, Session session, Lane[] lanes, SubscriptionOptions options)
    {
        (this.engine, this.session, this.lanes, begin) = (engine, session, lanes, options.Begin);
        suspectAfter = Math.Max(1, Math.Min(5, options.MaxDeliveries / 2)); // as over RabbitMQ
    }

    /// <summary>The session that owns the messages.</summary>
    public Session Session => session;

    public Engine Engine => engine;

    public static async Task<JobSubscription> StartAsync(Engine engine, SubscriptionOptions options)
    {
        var session = await engine.Sessions.BeginAsync().ConfigureAwait(false);
        SqliteSubscription subscription;
        try
        {
            var lanes = await engine.Writer.DoAsync(tables => Lanes(tables, options), needsSync: false).ConfigureAwait(false);
            subscription = new SqliteSubscription(engine, session, lanes, options);
            engine.CloseWithIt(subscription);
            await engine.Writer.AddClaimerAsync(subscription).ConfigureAwait(false);
        }
        catch
        {
            await engine.Sessions.EndAsync(session).ConfigureAwait(false);
            throw;
        }

        engine.MeetOthers();
        _ = options.Begin.ContinueWith(
            _ => engine.Writer.Wake(others: true), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return subscription;
    }

    public override async ValueTask<Delivery?> NextAsync()
    {
        while (await ready.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            if (ready.Reader.TryRead(out var delivery))
            {
                return delivery;
            }
        }

        return null;
    }

    public override SubscriptionHealth CheckHealth() => new() { Connection = engine.Health().Connection, Ready = ready.Reader.Count };

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        stopped = true;
        await engine.Writer.RemoveClaimerAsync(this).ConfigureAwait(false); // the transaction that claims now is over then
        ready.Writer.TryComplete();
        while (ready.Reader.TryRead(out var delivery))
        {
            await delivery.ReleaseAsync().ConfigureAwait(false);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref closing, 1) == 1)
        {
            return;
        }

        await StopAsync(CancellationToken.None).ConfigureAwait(false);
        await engine.Sessions.EndAsync(session).ConfigureAwait(false); // settlements before it are written before it
        engine.ClosedBefore(this);
    }

    /// <summary>Ends as the death of the process would; for tests.</summary>
    internal async Task AbandonAsync()
    {
        closing = 1;
        stopped = true;
        await engine.Writer.RemoveClaimerAsync(this).ConfigureAwait(false);
        ready.Writer.TryComplete();
        engine.ClosedBefore(this);
        engine.Sessions.Abandon(session);
    }

    bool IClaimer.Wants(Tables tables) =>
        !stopped && begin.IsCompleted && (doubtful.Count > 0 || Array.Exists(lanes, lane => lane.Room > 0 && lane.MayHaveMore && tables.HasReady(lane.No)));

    void IClaimer.Claim(Tables tables)
    {
        if (stopped || !begin.IsCompleted)
        {
            return;
        }

        foreach (var (lane, seq, urgency, deliveries) in doubtful)
        {
            tables.Release(session.No, seq, lane.No, urgency, deliveries);
        }

        foreach (var lane in lanes)
        {
            lane.MayHaveMore |= tables.WasFilled(lane.No);
            if (lane.Room <= 0 || !lane.MayHaveMore)
            {
                continue;
            }

            // One message of a quarantine is out at a time, whoever has it.
            if (lane.IsQuarantine && (!tables.HasReady(lane.No) || tables.IsClaimed(lane.No)))
            {
                lane.MayHaveMore = false;
                continue;
            }

            lane.MayHaveMore = tables.Claim(session.No, lane.No, Math.Min(lane.Room, MostAtOnce), lane.Quarantine, suspectAfter, lane.Claimed);
        }
    }

    void IClaimer.Claimed(bool committed)
    {
        if (committed)
        {
            doubtful.Clear();
        }

        foreach (var lane in lanes)
        {
            foreach (var row in lane.Claimed)
            {
                if (committed)
                {
                    lane.Unsettled++;
                    ready.Writer.TryWrite(new(this, lane, row));
                }
                else
                {
                    doubtful.Add((lane, row.Seq, row.Urgency, row.Deliveries));
                }
            }

            if (!committed || (lane.MayHaveMore && lane.Room > 0))
            {
                lane.MayHaveMore = true;
                engine.Writer.Wake(others: false); // many messages wait, or suspects were found and others may stand behind them
            }

            lane.Claimed.Clear();
        }
    }

    void IClaimer.LookAgain()
    {
        foreach (var lane in lanes)
        {
            lane.MayHaveMore = true;
        }
    }

    static Lane[] Lanes(Tables tables, SubscriptionOptions options)
    {
        var lanes = new List<Lane>();
        foreach (var queue in options.Queues)
        {
            long? quarantine = options.Browse ? null : tables.Queue(Engine.QuarantinePrefix + queue, create: true)!.Value;
            lanes.Add(new() { Queue = queue, No = tables.Queue(queue, create: true)!.Value, Prefetch = options.PrefetchOf(queue), Quarantine = quarantine });
            if (quarantine is { } no)
            {
                lanes.Add(new() { Queue = queue, No = no, Prefetch = 1, IsQuarantine = true });
            }
        }

        return [.. lanes.OrderBy(lane => lane.IsQuarantine)]; // a suspect that moves now is claimed in the same transaction
    }
}

/// <summary>What a subscription has of one queue. Only the writer's thread changes it.</summary>
sealed class Lane
{
    /// <summary>The queue; for a quarantine, the queue whose suspects are in it.</summary>
    public required string Queue { get; init; }

    public required long No { get; init; }

    public required int Prefetch { get; init; }

    /// <summary>
    /// Where suspects go; <see langword="null"/> for a quarantine itself, and for a look through a queue.
    /// </summary>
    public long? Quarantine { get; init; }

    public bool IsQuarantine { get; init; }

    public int Unsettled { get; set; }

    public int Room => Prefetch - Unsettled;

    /// <summary>Whether the last claim may have left messages, or some may have come since.</summary>
    public bool MayHaveMore { get; set; } = true;

    /// <summary>What the transaction under way has claimed.</summary>
    public List<ClaimedRow> Claimed { get; } = [];
}
