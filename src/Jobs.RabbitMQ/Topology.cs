using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>Declares what a queue needs, once per connection.</summary>
sealed class Topology(BrokerParts parts)
{
    /// <summary>
    /// How long a queue that was deleted stays away before it is declared again. Sooner, RabbitMQ 3.10 may tell its consumers nothing and give its messages to some that do not hear of
    /// them; and a node that has not finished with the former queue stays out of the new one.
    /// </summary>
    public static readonly TimeSpan RedeclarePause = TimeSpan.FromSeconds(1);

    readonly BrokerNames names = parts.Names;
    readonly TimeProvider time = parts.Time;
    readonly Lock gate = new();
    readonly Dictionary<string, QueueSpec> special = new(StringComparer.Ordinal) { [parts.Names.DeadLetters.Name] = parts.Names.DeadLetters };
    readonly HashSet<string> queues = [];
    readonly HashSet<string> destinations = [];
    readonly Dictionary<string, long> gone = []; // since when
    bool delays;

    public BrokerNames Names => names;

    public DeclareMode Mode => parts.Options.Declare;

    /// <summary>Says what a queue is for; one that nothing was said about is a job queue.</summary>
    public void Introduce(QueueSpec queue)
    {
        lock (gate)
        {
            special[queue.Name] = queue;
        }
    }

    public bool Knows(string queue, bool delayed)
    {
        lock (gate)
        {
            return queues.Contains(queue) && (!delayed || destinations.Contains(queue));
        }
    }

    /// <summary>On a new connection everything is declared again: the broker may be another one, or have been emptied.</summary>
    public void Forget()
    {
        lock (gate)
        {
            queues.Clear();
            destinations.Clear();
            delays = false;
        }
    }

    /// <summary>Somebody deleted it.</summary>
    public void Gone(string queue)
    {
        lock (gate)
        {
            queues.Remove(queue);
            destinations.Remove(queue);
            gone.TryAdd(queue, time.GetTimestamp());
        }
    }

    /// <summary>Whether it was deleted less than <see cref="RedeclarePause"/> ago.</summary>
    public bool IsAway(string queue)
    {
        lock (gate)
        {
            if (gone.TryGetValue(queue, out var since) && time.GetElapsedTime(since) >= RedeclarePause)
            {
                gone.Remove(queue);
            }

            return gone.ContainsKey(queue);
        }
    }

    /// <exception cref="JobTransportException">The queue exists with other arguments, does not exist, or may not be declared.</exception>
    public async Task EnsureAsync(Incarnation incarnation, string queue, bool delayed, CancellationToken cancellationToken)
    {
        await DeclareAsync(incarnation, Spec(queue), cancellationToken).ConfigureAwait(false);
        if (delayed)
        {
            await DeclareDelaysAsync(incarnation, cancellationToken).ConfigureAwait(false);

            // Bound before the first message: one that finds no binding at the end of its delay would be a dead letter.
            await OnChannelAsync(incarnation, channel =>
                channel.QueueBindAsync(queue, names.DelayOut, Delays.DestinationPattern(queue), cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
        }

        lock (gate)
        {
            queues.Add(queue);
            if (delayed)
            {
                destinations.Add(queue);
            }
        }
    }

    /// <summary>The queue, its dead-letter queue first.</summary>
    public async Task DeclareAsync(Incarnation incarnation, QueueSpec queue, CancellationToken cancellationToken)
    {
        switch (queue.Kind)
        {
            case QueueKind.Work when Mode == DeclareMode.Passive:
                await PassiveAsync(incarnation, queue.Name, cancellationToken).ConfigureAwait(false);
                break;
            case QueueKind.Work:
                await DeclareQuorumAsync(incarnation, names.DeadLetters, cancellationToken).ConfigureAwait(false);
                await DeclareQuorumAsync(incarnation, queue, cancellationToken).ConfigureAwait(false);
                break;
            default:
                // Ours even where all else is declared by somebody else: dead letters must have a home.
                await DeclareQuorumAsync(incarnation, queue, cancellationToken).ConfigureAwait(false);
                break;
        }
    }

    QueueSpec Spec(string queue)
    {
        lock (gate)
        {
            return special.TryGetValue(queue, out var known) ? known : new(queue, QueueKind.Work);
        }
    }

    async Task DeclareQuorumAsync(Incarnation incarnation, QueueSpec queue, CancellationToken cancellationToken)
    {
        var arguments = QueueArguments.Of(queue, names);
        try
        {
            await OnChannelAsync(incarnation, channel => channel.QueueDeclareAsync(queue.Name, durable: true, exclusive: false, autoDelete: false, arguments, cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.PreconditionFailed)
        {
            // The broker's text names the argument with both values.
            throw new JobTransportException(
                $"Queue '{queue.Name}' exists with other arguments than Jobs declares ({string.Join(", ", arguments.Select(a => $"{a.Key}={a.Value}"))}): {e.ShutdownReason.ReplyText}. " +
                "Delete the queue when it is empty, use another name, or use it as it is with Declare = DeclareMode.Passive.", inner: e);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.AccessRefused)
        {
            throw new JobTransportException($"The user may not declare queue '{queue.Name}': {e.ShutdownReason.ReplyText}. Grant 'configure', or declare it yourself and set Declare = DeclareMode.Passive.", inner: e);
        }
    }

    static async Task PassiveAsync(Incarnation incarnation, string queue, CancellationToken cancellationToken)
    {
        try
        {
            await OnChannelAsync(incarnation, channel => channel.QueueDeclarePassiveAsync(queue, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            throw new JobTransportException($"Queue '{queue}' does not exist, and Declare is Passive: {e.ShutdownReason.ReplyText}. Create it, or let Jobs do it with Declare = DeclareMode.Declare.", inner: e);
        }
    }

    async Task DeclareDelaysAsync(Incarnation incarnation, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (delays)
            {
                return;
            }
        }

        await DeclareQuorumAsync(incarnation, names.DeadLetters, cancellationToken).ConfigureAwait(false);
        for (var level = 0; level < Delays.Levels; level++)
        {
            await DeclareQuorumAsync(incarnation, names.DelayLevel(level), cancellationToken).ConfigureAwait(false);
        }

        await OnChannelAsync(incarnation, BindLevelsAsync, cancellationToken).ConfigureAwait(false);
        lock (gate)
        {
            delays = true;
        }

        async Task BindLevelsAsync(IChannel channel)
        {
            await channel.ExchangeDeclareAsync(names.DelayLost, ExchangeType.Fanout, durable: true, cancellationToken: cancellationToken).ConfigureAwait(false);
            await channel.QueueBindAsync(names.DeadLetters.Name, names.DelayLost, "", cancellationToken: cancellationToken).ConfigureAwait(false);
            await channel.ExchangeDeclareAsync(names.DelayOut, ExchangeType.Topic, durable: true, arguments: new Dictionary<string, object?> { ["alternate-exchange"] = names.DelayLost }, cancellationToken: cancellationToken).ConfigureAwait(false);
            for (var level = 0; level < Delays.Levels; level++)
            {
                var exchange = names.DelayLevel(level).Name;
                var lower = names.Below(level);
                await channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true, cancellationToken: cancellationToken).ConfigureAwait(false);
                await channel.QueueBindAsync(exchange, exchange, Delays.BitPattern(level, set: true), cancellationToken: cancellationToken).ConfigureAwait(false);
                await channel.ExchangeBindAsync(lower, exchange, Delays.BitPattern(level, set: false), cancellationToken: cancellationToken).ConfigureAwait(false);
            }
        }
    }

    static Task OnChannelAsync(Incarnation incarnation, Func<IChannel, Task> action, CancellationToken cancellationToken) => incarnation.OnChannelAsync(
        async channel =>
        {
            await action(channel).ConfigureAwait(false);
            return true;
        },
        cancellationToken);
}
