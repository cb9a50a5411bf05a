using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>Declares what a queue needs, once per connection.</summary>
sealed class Topology(BrokerNames names, DeclareMode mode, TimeProvider time)
{
    /// <summary>
    /// How long a queue that was deleted stays away before it is declared again. Sooner, RabbitMQ 3.10 may tell its consumers nothing and give its messages to some that do not hear of
    /// them; and a node that has not finished with the former queue stays out of the new one.
    /// </summary>
    public static readonly TimeSpan RedeclarePause = TimeSpan.FromSeconds(1);

    readonly Lock gate = new();
    readonly HashSet<string> queues = [];
    readonly HashSet<string> destinations = [];
    readonly Dictionary<string, long> gone = []; // since when
    bool delays;

    public BrokerNames Names => names;

    public DeclareMode Mode => mode;

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
        await DeclareAsync(incarnation, queue, cancellationToken).ConfigureAwait(false);
        if (delayed)
        {
            await DeclareDelaysAsync(incarnation, cancellationToken).ConfigureAwait(false);

            // Bound before the first message: one that finds no binding at the end of its delay would be a dead letter.
            await OnChannelAsync(incarnation, channel =>
                channel.QueueBindAsync(queue, names.DelayOut, BrokerNames.DelayDestinationPattern(queue), cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
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
    public async Task DeclareAsync(Incarnation incarnation, string queue, CancellationToken cancellationToken)
    {
        if (names.IsJournal(queue))
        {
            await DeclareQuorumAsync(incarnation, queue, BrokerNames.JournalArguments(), cancellationToken).ConfigureAwait(false);
            return;
        }

        if (queue != names.DeadLetterQueue)
        {
            if (mode == DeclareMode.Passive)
            {
                await PassiveAsync(incarnation, queue, cancellationToken).ConfigureAwait(false);
                return;
            }

            await DeclareQuorumAsync(incarnation, names.DeadLetterQueue, BrokerNames.DeadLetterArguments(), cancellationToken).ConfigureAwait(false);
            await DeclareQuorumAsync(incarnation, queue, names.QueueArguments(), cancellationToken).ConfigureAwait(false);
            return;
        }

        // Ours even where all else is declared by somebody else: dead letters must have a home.
        await DeclareQuorumAsync(incarnation, queue, BrokerNames.DeadLetterArguments(), cancellationToken).ConfigureAwait(false);
    }

    public Task DeclareQuarantineAsync(Incarnation incarnation, string queue, CancellationToken cancellationToken) =>
        DeclareQuorumAsync(incarnation, names.Quarantine(queue), names.QueueArguments(), cancellationToken);

    static async Task DeclareQuorumAsync(Incarnation incarnation, string queue, Dictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        try
        {
            await OnChannelAsync(incarnation, channel => channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, arguments, cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.PreconditionFailed)
        {
            // The broker's text names the argument with both values.
            throw new JobTransportException(
                $"Queue '{queue}' exists with other arguments than Jobs declares ({string.Join(", ", arguments.Select(a => $"{a.Key}={a.Value}"))}): {e.ShutdownReason.ReplyText}. " +
                "Delete the queue when it is empty, use another name, or use it as it is with Declare = DeclareMode.Passive.", inner: e);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.AccessRefused)
        {
            throw new JobTransportException($"The user may not declare queue '{queue}': {e.ShutdownReason.ReplyText}. Grant 'configure', or declare it yourself and set Declare = DeclareMode.Passive.", inner: e);
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

        await DeclareQuorumAsync(incarnation, names.DeadLetterQueue, BrokerNames.DeadLetterArguments(), cancellationToken).ConfigureAwait(false);
        for (var level = 0; level < BrokerNames.DelayLevels; level++)
        {
            await DeclareQuorumAsync(incarnation, names.DelayLevel(level), names.DelayArguments(level), cancellationToken).ConfigureAwait(false);
        }

        await OnChannelAsync(incarnation, BindLevelsAsync, cancellationToken).ConfigureAwait(false);
        lock (gate)
        {
            delays = true;
        }

        async Task BindLevelsAsync(IChannel channel)
        {
            await channel.ExchangeDeclareAsync(names.DelayLost, ExchangeType.Fanout, durable: true, cancellationToken: cancellationToken).ConfigureAwait(false);
            await channel.QueueBindAsync(names.DeadLetterQueue, names.DelayLost, "", cancellationToken: cancellationToken).ConfigureAwait(false);
            await channel.ExchangeDeclareAsync(names.DelayOut, ExchangeType.Topic, durable: true, arguments: new Dictionary<string, object?> { ["alternate-exchange"] = names.DelayLost }, cancellationToken: cancellationToken).ConfigureAwait(false);
            for (var level = 0; level < BrokerNames.DelayLevels; level++)
            {
                var exchange = names.DelayLevel(level);
                var lower = level == 0 ? names.DelayOut : names.DelayLevel(level - 1);
                await channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true, cancellationToken: cancellationToken).ConfigureAwait(false);
                await channel.QueueBindAsync(exchange, exchange, BrokerNames.DelayBitPattern(level, set: true), cancellationToken: cancellationToken).ConfigureAwait(false);
                await channel.ExchangeBindAsync(lower, exchange, BrokerNames.DelayBitPattern(level, set: false), cancellationToken: cancellationToken).ConfigureAwait(false);
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
