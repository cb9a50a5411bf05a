using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>One channel that writes the publishes of a ledger, from the opening of the channel to its end.</summary>
sealed class PublishSession
{
    // A broker that waits for the leader of a queue answers after net_ticktime + 5 s: 65 s by default.
    static readonly TimeSpan closePatience = TimeSpan.FromMinutes(2);

    readonly Incarnation incarnation;
    readonly PublishLedger ledger;
    readonly Topology topology;
    readonly PublishKind kind;
    readonly Action<string> giveUp;
    readonly ILogger logger;
    readonly Telemetry telemetry;
    readonly DroppedReplies replies;
    readonly List<(string Queue, TimeSpan Latency)> latencies = []; // needs no lock: the client calls one handler after another
    readonly Lock blocking = new();
    readonly int number;
    IChannel channel = null!;
    ShutdownEventArgs? closed;

    PublishSession(
        Incarnation incarnation, PublishLedger ledger, Topology topology, BrokerParts parts, DroppedReplies replies, PublishKind kind, Action<string> giveUp)
    {
        (this.incarnation, this.ledger, this.topology, this.replies, this.kind, this.giveUp) = (incarnation, ledger, topology, replies, kind, giveUp);
        (logger, telemetry) = (parts.Logger, parts.Telemetry);
        number = ledger.Begin();
    }

    /// <summary>Opens the channel.</summary>
    /// <param name="incarnation">The connection.</param>
    /// <param name="ledger">What to publish.</param>
    /// <param name="topology">Declares queues, unless the session publishes only replies.</param>
    /// <param name="parts">The logger and so on.</param>
    /// <param name="replies">Is told of the replies that nobody takes.</param>
    /// <param name="kind">What this session publishes.</param>
    /// <param name="giveUp">
    /// Is called when the channel is over or stuck; must fire the token that <see cref="RunAsync"/> runs with.
    /// </param>
    /// <param name="life">Ends the opening.</param>
    public static async Task<PublishSession> OpenAsync(
        Incarnation incarnation,
        PublishLedger ledger,
        Topology topology,
        BrokerParts parts,
        DroppedReplies replies,
        PublishKind kind,
        Action<string> giveUp,
        CancellationToken life)
    {
        var session = new PublishSession(incarnation, ledger, topology, parts, replies, kind, giveUp);
        incarnation.Connection.ConnectionBlockedAsync += (_, _) => session.LookAtBlock();
        incarnation.Connection.ConnectionUnblockedAsync += (_, _) => session.LookAtBlock();
        await session.LookAtBlock().ConfigureAwait(false); // a channel may be opened while the broker blocks
        try
        {
            // All four arguments are given, because the constructor overwrites documented defaults. Confirms are on,
            // the client's tracking is off.
            session.channel = await incarnation.Connection.CreateChannelAsync(new(true, false, null, 1), life).ConfigureAwait(false);
        }
        catch
        {
            ledger.End(session.number, refusal: null);
            throw;
        }

        session.channel.ChannelShutdownAsync += (_, reason) =>
        {
            session.closed = reason;
            giveUp($"{reason.ReplyCode} {reason.ReplyText}");
            return Task.CompletedTask;
        };
        session.channel.BasicAcksAsync += (_, e) => session.Confirmed(e.DeliveryTag, e.Multiple);
        session.channel.BasicNacksAsync += (_, e) => session.Nacked(e.DeliveryTag, e.Multiple);
        session.channel.BasicReturnAsync += (_, e) => session.Returned(e);
        return session;
    }

    /// <summary>
    /// Writes the publishes of the ledger until the channel is over. Before this method ends, it puts the unconfirmed
    /// publishes back in line.
    /// </summary>
    public async Task RunAsync(CancellationToken life)
    {
        using var declaring = CancellationTokenSource.CreateLinkedTokenSource(life);
        var declarations = new Declarations(incarnation, ledger, topology, declaring.Token);
        try
        {
            while (!life.IsCancellationRequested)
            {
                if (ledger.Next() is not { } next)
                {
                    await ledger.WokenAsync(life).ConfigureAwait(false);
                }
                else if (!next.IsReply && !topology.Knows(next.Queue, next.DelaySeconds > 0))
                {
                    var declared = declarations.Begin(next.Queue, next.DelaySeconds > 0);
                    await (ledger.HasSuspects ? declared : Task.CompletedTask).ConfigureAwait(false); // only suspects wait here, to keep their places
                }
                else if (ledger.TryWrite(next))
                {
                    var (exchange, key) = next.Route(topology.Layout);
                    var properties = MessageMapping.Properties(next.Message);
                    using var trace = ClientTrace.Within(next.Message);
                    await channel.BasicPublishAsync(exchange, key, mandatory: true, properties, next.Message.Body, life).ConfigureAwait(false);
                }
            }
        }
        catch (OperationInterruptedException e)
        {
            // Whatever its reply code, this exception is about one publish. Nobody may take it for a refusal of the
            // whole connection.
            throw new JobTransportException(e.Message, isTransient: true, e);
        }
        finally
        {
            await declaring.CancelAsync().ConfigureAwait(false);
            await declarations.EndedAsync().ConfigureAwait(false);
            End();
        }
    }

    /// <summary>Ends the session, if the stuck channel is the channel of this session.</summary>
    public void GiveUp((int Channel, string Reason) stuck)
    {
        if (stuck.Channel == number)
        {
            giveUp(stuck.Reason);
        }
    }

    /// <summary>Closes the channel of a connection that lives on.</summary>
    /// <remarks>
    /// The close runs in the background, because the broker may be silent or may wait for a queue without a leader. We
    /// do not dispose the channel, because the broker's answer to the close may still arrive on it. When the connection
    /// itself ends, its channels need no close.
    /// </remarks>
    public void Close()
    {
        channel.ContinuationTimeout = closePatience;
        _ = channel.CloseAsync(Constants.ReplySuccess, "Goodbye", abort: true, CancellationToken.None);
    }

    Task Confirmed(ulong tag, bool multiple)
    {
        replies.Say(ledger.Confirmed(number, tag, multiple, latencies));
        foreach (var (queue, latency) in latencies)
        {
            telemetry.Confirmed(RabbitMqTransport.SystemName, queue, latency);
        }

        latencies.Clear();
        return Task.CompletedTask;
    }

    Task Nacked(ulong tag, bool multiple)
    {
        ledger.Nacked(number, tag, multiple);
        return Task.CompletedTask;
    }

    /// <summary>
    /// The broker found no queue for a message, and returns the message. The return comes before the ack of the same
    /// message. So the topology knows that the queue is gone before the writer sends the message again.
    /// </summary>
    Task Returned(BasicReturnEventArgs e)
    {
        if (ledger.Returned(number, e.BasicProperties.CorrelationId, e.RoutingKey, $"{e.ReplyCode} {e.ReplyText}") is { } queue)
        {
            if (topology.Knows(queue, delayed: false)) // else an earlier return has already logged that the queue is gone
            {
                Log.QueueGone(logger, queue);
            }

            topology.Gone(queue);
        }

        return Task.CompletedTask;
    }

    /// <summary>
    /// Tells the ledger whether the broker blocks, when the session opens and at each event. Two of these calls may
    /// overlap, so each call reads the connection's state and does not rely on its event.
    /// </summary>
    Task LookAtBlock()
    {
        lock (blocking)
        {
            var reason = incarnation.Blocked;
            if (ledger.SetBlocked(number, reason) is { } waiting && kind != PublishKind.Replies) // the other session of the connection logs the change
            {
                if (reason is not null)
                {
                    Log.Blocked(logger, reason);
                }
                else
                {
                    Log.Unblocked(logger, waiting);
                }
            }
        }

        return Task.CompletedTask;
    }

    void End()
    {
        const int BasicPublishClass = 60, BasicPublishMethod = 40, FrameError = 501, SyntaxError = 502;
        var reason = closed ?? channel.CloseReason ?? incarnation.Shutdown;
        var overPublish = reason is { Initiator: ShutdownInitiator.Peer }
            && (reason is { ClassId: BasicPublishClass, MethodId: BasicPublishMethod } || reason.ReplyCode is FrameError or SyntaxError);

        // When the broker closes a connection because of a frame, it does not say which channel sent the frame. If the
        // connection has a channel for replies too, we suspect only the replies, because a reply may be dropped. If
        // another publish sent the frame, that publish is sent again until its deadline fails it.
        var notOurs = kind == PublishKind.WorkBesideReplies && incarnation.Connection.CloseReason is { Initiator: ShutdownInitiator.Peer };
        var (unknown, dropped) = ledger.End(number, overPublish && !notOurs ? $"{reason!.ReplyCode} {reason.ReplyText}" : null);
        replies.Say(dropped);
        if (unknown > 0 && kind != PublishKind.Replies)
        {
            Log.Republishing(logger, unknown);
        }
    }
}

/// <summary>What a session publishes.</summary>
enum PublishKind
{
    /// <summary>Everything that its connection publishes.</summary>
    Work,

    /// <summary>Everything that its connection publishes, except replies.</summary>
    WorkBesideReplies,

    /// <summary>Only the replies of a connection that publishes other messages too.</summary>
    Replies,
}
