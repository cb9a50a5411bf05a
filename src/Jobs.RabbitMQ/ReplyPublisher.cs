namespace Jobs.RabbitMQ;

/// <summary>
/// Publishes replies over a channel of their own. A dead reply queue can make the broker hold up a channel for a minute: the first publish to a
/// quorum queue that has no leader waits for one (rabbitmq.md §1.2). So neither jobs nor journals share the channel, and a channel that is held up
/// is left for a new one; the connection goes on.
/// </summary>
sealed class ReplyPublisher
{
    // The broker stops reading from a connection when about 400 messages wait for one channel.
    const int MostUnconfirmed = 128;

    // Half of it without a confirm, and the others go on over a new channel: well within their own 10 seconds.
    static readonly TimeSpan confirmTimeout = TimeSpan.FromSeconds(10);

    readonly BrokerParts parts;
    readonly Topology topology;
    readonly DroppedReplies dropped;
    readonly PublishLedger ledger;
    PublishSession? session;

    public ReplyPublisher(BrokerParts parts, Topology topology, DroppedReplies dropped)
    {
        (this.parts, this.topology, this.dropped) = (parts, topology, dropped);
        var timeout = parts.Options.ConfirmTimeout < confirmTimeout ? parts.Options.ConfirmTimeout : confirmTimeout;
        ledger = new(Math.Min(parts.Options.PublishWindow, MostUnconfirmed), timeout, parts.Options.Declare, parts.Layout, parts.Time);
    }

    public PublishLedger Ledger => ledger;

    /// <summary>One channel after the other, until the connection is over. Never fails.</summary>
    public async Task RunAsync(Incarnation incarnation, CancellationToken life)
    {
        while (!life.IsCancellationRequested)
        {
            PublishSession? opened = null;
            var over = new CancellationTokenSource(); // never disposed: the channel may end after its session
            using var both = CancellationTokenSource.CreateLinkedTokenSource(life, over.Token);
            try
            {
                opened = await PublishSession.OpenAsync(
                    incarnation, ledger, topology, parts, dropped, PublishKind.Replies, giveUp: _ => over.CancelAsync(), both.Token).ConfigureAwait(false);
                Volatile.Write(ref session, opened);
                await opened.RunAsync(both.Token).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // The broker closed the channel, the channel was stuck, or the connection is over and has a line of its own.
            }

            Volatile.Write(ref session, null);
            opened?.Close();
            await Task.Delay(BackOff.After(1, parts.Random), parts.Time, life).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Sweep(Exception? lastFailure)
    {
        var (replies, stuck) = ledger.Sweep(lastFailure);
        dropped.Say(replies);
        if (stuck is { } channel)
        {
            Volatile.Read(ref session)?.GiveUp(channel);
        }
    }
}
