using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>
/// Listens to events. It has a session, so that nobody writes events for it when its process has died; and its process
/// has a doorbell.
/// </summary>
sealed class SqliteListener : BroadcastSubscription, IClaimer
{
    readonly BroadcastQueue inbox = new();
    readonly TopicPattern pattern;
    readonly Engine engine;
    readonly Session session;
    Tables? ofWriter; // used on the writer's thread only, as the next two
    long cursor;
    bool mayHaveMore;
    int closing;

    SqliteListener(Engine engine, Session session, string pattern) => (this.engine, this.session, this.pattern) = (engine, session, new(pattern));

    public override long Dropped => inbox.Dropped;

    public static async Task<BroadcastSubscription> StartAsync(Engine engine, string pattern)
    {
        Guest.RefuseDeadlock(engine);
        var session = await engine.Sessions.BeginAsync().ConfigureAwait(false);
        var listener = new SqliteListener(engine, session, pattern);
        try
        {
            await engine.Writer.DoAsync(
                tables =>
                {
                    listener.ofWriter = tables;
                    return listener.cursor = tables.Events.Listen(session.No, pattern);
                },
                needsSync: false).ConfigureAwait(false);
            engine.CloseWithIt(listener);
            await engine.Writer.AddClaimerAsync(listener).ConfigureAwait(false);
        }
        catch
        {
            engine.ClosedBefore(listener);
            await engine.Sessions.EndAsync(session).ConfigureAwait(false);
            throw;
        }

        engine.Writer.Wake(others: true); // for events between the registration and now
        return listener;
    }

    public override ValueTask<BroadcastMessage?> NextAsync(CancellationToken cancellationToken) => inbox.NextAsync(cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref closing, 1) == 1)
        {
            return;
        }

        inbox.Complete();
        await engine.Writer.RemoveClaimerAsync(this).ConfigureAwait(false);
        await engine.Sessions.EndAsync(session).ConfigureAwait(false); // which ends the registration too
        engine.ClosedBefore(this);
    }

    /// <summary>Ends as the death of the process would; for tests.</summary>
    internal async Task AbandonAsync()
    {
        closing = 1;
        await engine.Writer.RemoveClaimerAsync(this).ConfigureAwait(false);
        engine.ClosedBefore(this);
        engine.Sessions.Abandon(session);
    }

    // Looks without a transaction, and claims no messages.
    bool IClaimer.Wants(Tables tables)
    {
        if (mayHaveMore)
        {
            Look(tables);
        }

        return false;
    }

    void IClaimer.Claim(Tables tables) => mayHaveMore |= tables.EventsChanged;

    void IClaimer.Claimed(bool committed)
    {
        if (committed && mayHaveMore && ofWriter is not null)
        {
            Look(ofWriter);
        }
    }

    void IClaimer.LookAgain() => mayHaveMore = true;

    void Look(Tables tables)
    {
        mayHaveMore = false;
        List<(long Seq, BroadcastMessage Message)> found;
        do
        {
            found = tables.Events.After(cursor);
            foreach (var (seq, message) in found)
            {
                inbox.Miss(seq - cursor - 1); // gone before we came to them: numbers have no gaps
                cursor = seq;
                if (pattern.Matches(message.Topic))
                {
                    inbox.Add(message);
                }
            }
        }
        while (found.Count > 0);
    }
}
