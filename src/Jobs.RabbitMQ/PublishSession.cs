using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>One channel that publishes what stands in a ledger, from the channel's opening to its end.</summary>
sealed class PublishSession
{
    // A broker that waits for the leader of a queue answers after net_ticktime + 5 s, which is 65 s by default.
    static readonly TimeSpan closePatience = TimeSpan.FromMinutes(2);

    readonly Incarnation incarnation;
    readonly PublishLedger ledger;
    readonly Topology topology;
    readonly PublishKind kind;
    readonly Action<string> giveUp;
    readonly ILogger logger;
    readonly Telemetry telemetry;
    readonly DroppedReplies replies;
    readonly List<(string Queue, TimeSpan Latency)> latencies = []; // the client calls one handler after another
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
    /// <param name="ledger">What there is to publish.</param>
    /// <param name="topology">Declares queues, unless only replies are published.</param>
    /// <param name="parts">Logger and so on.</param>
    /// <param name="replies">Is told of replies that nobody takes.</param>
    /// <param name="kind">What else publishes on the connection.</param>
    /// <param name="giveUp">Ends what <see cref="RunAsync"/> runs with: the channel is over, or stuck.</param>
    /// <param name="life">Gives the opening up.</param>
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
            // All four arguments: the constructor overwrites documented defaults. Confirms on, tracking off.
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

    /// <summary>Writes what stands in the ledger until the channel is over; then what the channel left unconfirmed is in line again.</summary>
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
                    await (ledger.HasSuspects ? declared : Task.CompletedTask).ConfigureAwait(false); // suspects keep their places
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
            // About one publish, whatever its code: it must not look like a refusal of the whole connection.
            throw new JobTransportException(e.Message, isTransient: true, e);
        }
        finally
        {
            await declaring.CancelAsync().ConfigureAwait(false);
            await declarations.EndedAsync().ConfigureAwait(false);
            End();
        }
    }

    /// <summary>Ends the session, if it is about its channel.</summary>
    public void GiveUp((int Channel, string Reason) stuck)
    {
        if (stuck.Channel == number)
        {
            giveUp(stuck.Reason);
        }
    }

    /// <summary>
    /// Closes the channel of a connection that lives on. In the background: the broker may be waiting for a queue without a leader, or be silent.
    /// The channel is not disposed: its answer may still come. The channel of a connection that ends goes with the connection.
    /// </summary>
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

    /// <summary>Before the ack of the same message, so that nobody believes any more that the queue is there when the message goes again.</summary>
    Task Returned(BasicReturnEventArgs e)
    {
        if (ledger.Returned(number, e.BasicProperties.CorrelationId, e.RoutingKey, $"{e.ReplyCode} {e.ReplyText}") is { } queue)
        {
            if (topology.Knows(queue, delayed: false)) // else it has been said, for another message of this channel
            {
                Log.QueueGone(logger, queue);
            }

            topology.Gone(queue);
        }

        return Task.CompletedTask;
    }

    /// <summary>Looks at the connection again and again, instead of believing one event: the last look is the one that counts.</summary>
    Task LookAtBlock()
    {
        lock (blocking)
        {
            var reason = incarnation.Blocked;
            if (ledger.SetBlocked(number, reason) is { } waiting && kind != PublishKind.Replies) // the connection's other session says it
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

        // Who closes a connection does not say over which channel. Then only replies, which may be dropped, are suspects; others have deadlines.
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
    /// <summary>All that its connection publishes.</summary>
    Work,

    /// <summary>All but the replies of its connection.</summary>
    WorkBesideReplies,

    /// <summary>The replies of a connection that publishes something else too.</summary>
    Replies,
}
