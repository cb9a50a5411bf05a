using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>Publishing on one connection, from its channel to its end. The window is its own: a late confirm of an old connection can settle nothing of a new one.</summary>
sealed partial class PublishSession
{
    readonly Incarnation incarnation;
    readonly PublishLine line;
    readonly Topology topology;
    readonly RabbitMqOptions options;
    readonly TimeProvider time;
    readonly ILogger logger;
    readonly Telemetry telemetry;
    readonly DroppedReplies replies;
    readonly PublishWindow window;
    readonly List<PendingPublish> confirmed = [];
    IChannel channel = null!;
    ShutdownEventArgs? closed;
    long blockedSince;
    long unblocked;
    long lastAnswer;
    long oldestSince;
    long swept;
    string? stuckQueue;
    bool over;

    PublishSession(Incarnation incarnation, PublishLine line, Topology topology, BrokerParts parts, DroppedReplies replies)
    {
        (this.incarnation, this.line, this.topology, this.replies) = (incarnation, line, topology, replies);
        (options, time, logger, telemetry) = (parts.Options, parts.Time, parts.Logger, parts.Telemetry);
        window = new(options.PublishWindow);
    }

    /// <summary>Why the broker takes nothing now (a memory or disk alarm), or <see langword="null"/>.</summary>
    public string? Blocked { get; private set; }

    public int Unconfirmed => window.Count;

    public static async Task<PublishSession> OpenAsync(Incarnation incarnation, PublishLine line, Topology topology, BrokerParts parts, DroppedReplies replies, CancellationToken life)
    {
        var session = new PublishSession(incarnation, line, topology, parts, replies);
        incarnation.Connection.ConnectionBlockedAsync += (_, e) => session.SetBlocked(e.Reason);
        incarnation.Connection.ConnectionUnblockedAsync += (_, _) => session.SetBlocked(null);

        // All four arguments: the constructor overwrites documented defaults. Confirms on, tracking off.
        // The channel is never disposed here: that may wait for a peer that is silent. It goes with its connection.
        session.channel = await incarnation.Connection.CreateChannelAsync(new(true, false, null, 1), life).ConfigureAwait(false);
        session.channel.ChannelShutdownAsync += (_, reason) =>
        {
            session.closed = reason;
            incarnation.Abandon($"{reason.ReplyCode} {reason.ReplyText}");
            return Task.CompletedTask;
        };
        session.channel.BasicAcksAsync += (_, e) => session.Confirmed(e.DeliveryTag, e.Multiple);
        session.channel.BasicNacksAsync += (_, e) => session.Nacked(e.DeliveryTag, e.Multiple);
        session.channel.BasicReturnAsync += (_, e) => session.Returned(e);
        return session;
    }

    /// <summary>Writes what stands in line until the connection is over; then what it left unconfirmed is in line again.</summary>
    public async Task RunAsync(CancellationToken life)
    {
        using var declaring = CancellationTokenSource.CreateLinkedTokenSource(life);
        var declarations = new Declarations(incarnation, line, topology, declaring.Token);
        try
        {
            while (!life.IsCancellationRequested)
            {
                if (Next() is not { } next)
                {
                    await line.WokenAsync(life).ConfigureAwait(false);
                }
                else if (!next.IsReply && !topology.Knows(next.Queue, next.DelaySeconds > 0))
                {
                    var declared = declarations.Begin(next.Queue, next.DelaySeconds > 0);
                    await (line.Suspects > 0 ? declared : Task.CompletedTask).ConfigureAwait(false); // suspects keep their places
                }
                else if (Take(next))
                {
                    var (exchange, key) = Route(next);
                    await channel.BasicPublishAsync(exchange, key, mandatory: true, MessageMapping.Properties(next.Message), next.Message.Body, life).ConfigureAwait(false);
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
            TakeBack();
        }
    }

    public TimeSpan BlockedFor(long now) => Blocked is null ? TimeSpan.Zero : time.GetElapsedTime(blockedSince, now);

    public TimeSpan OldestUnconfirmed(long now) => window.InOrder().FirstOrDefault() is { } oldest ? time.GetElapsedTime(oldest.SentAt, now) : TimeSpan.Zero;

    bool HasRoom => window.HasRoom(line.Suspects > 0 ? 1 : options.PublishWindow);

    PendingPublish? Next()
    {
        lock (line.Gate)
        {
            if (Blocked is null && HasRoom && line.First is { } first)
            {
                return first;
            }

            line.Idle();
            return null;
        }
    }

    /// <returns>Whether it is still its turn: it may have been given up, or another one put first.</returns>
    bool Take(PendingPublish publish)
    {
        lock (line.Gate)
        {
            if (line.First != publish)
            {
                return false;
            }

            line.RemoveFirst();
            publish.MaybeSent = true;
            publish.SentAt = time.GetTimestamp();
            window.Add(publish); // before the write: the confirm may overtake its return
            return true;
        }
    }

    (string Exchange, string Key) Route(PendingPublish publish) => publish.DelaySeconds == 0
        ? ("", publish.Queue)
        : (topology.Names.DelayLevel(Delays.HighestLevel(publish.DelaySeconds)).Name, Delays.Key(publish.DelaySeconds, publish.Queue));

    Task Confirmed(ulong tag, bool multiple)
    {
        lock (line.Gate)
        {
            if (over)
            {
                return Task.CompletedTask;
            }

            var now = time.GetTimestamp();
            Answered(tag, multiple, now);
            foreach (var publish in confirmed)
            {
                var latency = time.GetElapsedTime(publish.SentAt, now);
                line.Confirms.Add(latency, now);
                telemetry.Confirmed(RabbitMqTransport.System, publish.Queue, latency);
                line.Suspects = Math.Max(0, line.Suspects - 1);
                if (!publish.Done)
                {
                    Settle(publish);
                }
            }

            confirmed.Clear();
            line.Wake();
        }

        return Task.CompletedTask;
    }

    void Answered(ulong tag, bool multiple, long now)
    {
        var oldest = window.Oldest;
        window.Take(tag, multiple, confirmed);
        lastAnswer = now;
        oldestSince = window.Oldest == oldest ? oldestSince : now;
    }

    void Settle(PendingPublish publish)
    {
        if (publish.Returned is null)
        {
            publish.Confirm();
        }
        else if (publish.IsReply)
        {
            replies.Drop(publish, $"the broker returned it ({publish.Returned})");
        }
        else if (publish.Redeclared || options.Declare != DeclareMode.Declare)
        {
            publish.Fail(PublishErrors.Unroutable(publish, Route(publish).Exchange));
        }
        else
        {
            // The queue was deleted behind our back: declare it again, after a pause, and send once more.
            if (topology.Knows(publish.Queue, delayed: false)) // else it has been said, for another message of this window
            {
                Log.QueueGone(logger, publish.Queue);
            }

            topology.Gone(publish.Queue);
            (publish.Redeclared, publish.Returned, publish.MaybeSent) = (true, null, false);
            line.PutAside(publish);
        }
    }

    /// <summary>Refused by the queue (full, or without a leader): not for good.</summary>
    Task Nacked(ulong tag, bool multiple)
    {
        lock (line.Gate)
        {
            if (over)
            {
                return Task.CompletedTask;
            }

            Answered(tag, multiple, time.GetTimestamp());
            foreach (var publish in confirmed)
            {
                line.PutAside(publish);
            }

            confirmed.Clear();
            line.Wake();
        }

        return Task.CompletedTask;
    }

    /// <summary>Comes before the ack of the same message.</summary>
    Task Returned(BasicReturnEventArgs e)
    {
        lock (line.Gate)
        {
            foreach (var publish in window.InOrder())
            {
                if (publish.Returned is null && publish.Message.CorrelationId == e.BasicProperties.CorrelationId && Route(publish).Key == e.RoutingKey)
                {
                    publish.Returned = $"{e.ReplyCode} {e.ReplyText}";
                    break;
                }
            }
        }

        return Task.CompletedTask;
    }

    Task SetBlocked(string? reason)
    {
        lock (line.Gate)
        {
            var (before, _) = (Blocked, Blocked = reason); // again for another alarm, it is no change
            if (over || (before is null) == (reason is null))
            {
                return Task.CompletedTask;
            }

            if (reason is not null)
            {
                blockedSince = time.GetTimestamp();
                Log.Blocked(logger, reason);
            }
            else
            {
                unblocked = time.GetTimestamp();
                Log.Unblocked(logger, line.Count);
                line.Wake();
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>The connection is over: what it left unconfirmed goes to the front of the line.</summary>
    void TakeBack()
    {
        lock (line.Gate)
        {
            over = true;
            var reason = closed ?? channel.CloseReason ?? incarnation.Shutdown;
            var alone = window.Count == 1;
            var unknown = window.InOrder().Where(p => !p.Done).ToList();

            // The broker closed the channel over a publish (too large, forbidden, unknown exchange), or the connection over a frame of one, but does not
            // say which: all of them go again one at a time, and the one that is alone when it happens is the one.
            const int BasicPublishClass = 60, BasicPublishMethod = 40, FrameError = 501, SyntaxError = 502;
            var overPublish = reason is { Initiator: ShutdownInitiator.Peer }
                && (reason is { ClassId: BasicPublishClass, MethodId: BasicPublishMethod } || reason.ReplyCode is FrameError or SyntaxError);
            if (overPublish && alone && unknown is [var guilty])
            {
                if (guilty.IsReply)
                {
                    replies.Drop(guilty, $"the broker refused it ({reason!.ReplyCode} {reason.ReplyText})");
                }
                else
                {
                    guilty.Fail(PublishErrors.RefusedByBroker(guilty, reason!));
                }

                unknown.Clear();
            }

            line.Suspects = overPublish ? unknown.Count : line.Suspects;
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

            if (unknown.Count > 0)
            {
                Log.Republishing(logger, unknown.Count);
            }

            line.Wake();
        }
    }
}
