namespace Jobs.RabbitMQ;

/// <summary>Publishes replies over a channel of their own.</summary>
/// <remarks>
/// A dead reply queue can make the broker hold up a channel for a minute: the first publish to a quorum queue without a
/// leader waits for a leader (rabbitmq.md §1.2). So neither jobs nor journals share the channel of the replies. A
/// channel that is held up, that refuses a reply for 2 s, or that does not confirm one within 5 s, is closed and a new
/// one is opened; the connection goes on.
/// </remarks>
sealed class ReplyPublisher
{
    // The broker stops reading from a connection when about 400 messages wait for one of its channels.
    const int MostUnconfirmed = 128;

    // After half of this time without a confirm, the replies go on over a new channel. That is well within their own 10
    // seconds.
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

    /// <summary>Runs one channel after the other until the connection is over. Never fails.</summary>
    public async Task RunAsync(Incarnation incarnation, CancellationToken life)
    {
        ledger.RenewPatience();
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
                // The broker closed the channel, or the channel was stuck, or the connection is over. A lost connection
                // has its own log line.
            }

            Volatile.Write(ref session, null);
            opened?.Close();
            await Task.Delay(ReconnectBackOff.After(1, parts.Random), parts.Time, life).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
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
