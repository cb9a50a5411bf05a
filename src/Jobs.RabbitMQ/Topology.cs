using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>Declares each queue with everything that the queue needs, once per connection.</summary>
sealed partial class Topology(BrokerParts parts)
{
    /// <summary>How long a deleted queue stays away before we declare it again.</summary>
    /// <remarks>
    /// An earlier declaration can do harm. RabbitMQ 3.10 might not tell the consumers of the former queue that their
    /// queue is gone, and might assign messages of the new queue to consumers that never receive these messages. And a
    /// node that has not finished with the former queue stays out of the new queue.
    /// </remarks>
    public static readonly TimeSpan RedeclarePause = TimeSpan.FromSeconds(1);

    // Long, because one call declares the 28 quorum queues of the delay levels.
    static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    readonly QueueLayout layout = parts.Layout;
    readonly TimeProvider time = parts.Time;
    readonly Lock gate = new();
    readonly SemaphoreSlim oneAtATime = new(1, 1);
    readonly Dictionary<string, QueueSpec> special = new(StringComparer.Ordinal) { [parts.Layout.DeadLetters.Name] = parts.Layout.DeadLetters };
    readonly HashSet<string> queues = [];
    readonly HashSet<string> destinations = [];
    readonly HashSet<string> foreign = [];
    readonly Dictionary<string, long> gone = []; // by queue, when we noticed its deletion, as a timestamp
    volatile bool delays;

    public QueueLayout Layout => layout;

    public DeclareMode Mode => parts.Options.Declare;

    /// <summary>Says what a queue is for. A queue that nobody introduced is a job queue.</summary>
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

    /// <summary>Forgets what is declared: the broker of a new connection may be another one, or may be empty.</summary>
    public void Forget()
    {
        lock (gate)
        {
            queues.Clear();
            destinations.Clear();
            delays = false;
        }
    }

    /// <summary>Somebody deleted the queue.</summary>
    public void Gone(string queue)
    {
        lock (gate)
        {
            queues.Remove(queue);
            destinations.Remove(queue);
            gone.TryAdd(queue, time.GetTimestamp());
        }
    }

    /// <summary>Whether we noticed less than <see cref="RedeclarePause"/> ago that the queue was deleted.</summary>
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

    /// <summary>Declares a queue with everything that it needs.</summary>
    /// <param name="incarnation">The connection.</param>
    /// <param name="queue">The queue.</param>
    /// <param name="delayed">Whether delayed messages must reach the queue.</param>
    /// <param name="takeForeign">
    /// Whether to use a work queue as it is when somebody else declared it with other arguments, for example the
    /// classic queue of a Celery application. Only publishers do so.
    /// </param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="JobTransportException">
    /// The queue exists with other arguments, does not exist, or may not be declared, or its policy may not be made.
    /// </exception>
    public async Task EnsureAsync(Incarnation incarnation, string queue, bool delayed, bool takeForeign, CancellationToken cancellationToken)
    {
        var spec = Spec(queue);
        try
        {
            await (spec.Kind == QueueKind.Shared
                ? DeclareSharedAsync(incarnation, spec, takeForeign, cancellationToken)
                : DeclareAsync(incarnation, spec, cancellationToken)).ConfigureAwait(false);
        }
        catch (JobTransportException e) when (
            takeForeign && spec.Kind is (QueueKind.Work or QueueKind.Shared)
            && e.InnerException is OperationInterruptedException { ShutdownReason: { ReplyCode: Constants.PreconditionFailed } reason }
            && KeepsMessages(queue, reason.ReplyText))
        {
            WarnOnce(queue, spec.Kind == QueueKind.Shared ? $"{reason.ReplyText}. {Remedy(spec)}" : reason.ReplyText);
        }

        if (delayed)
        {
            await DeclareDelaysAsync(incarnation, cancellationToken).ConfigureAwait(false);

            // This comes before the first message is published: a message that finds no binding at the end of its delay
            // would be a dead letter.
            await BindAsync(incarnation, channel => channel.QueueBindAsync(
                queue, layout.DelayOut, Delays.DestinationPattern(queue), cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
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

    /// <summary>
    /// Declares a queue, and before a work queue the dead-letter queue. In passive mode, checks that a work queue
    /// exists.
    /// </summary>
    public Task DeclareAsync(Incarnation incarnation, QueueSpec queue, CancellationToken cancellationToken) => queue.Kind switch
    {
        QueueKind.Work when Mode == DeclareMode.Passive => PassiveAsync(incarnation, queue.Name, cancellationToken),
        QueueKind.Work or QueueKind.Shared => DeclareAllAsync(incarnation, [layout.DeadLetters, queue], null, cancellationToken),
        QueueKind.Journal or QueueKind.Replies => DeclareAsideAsync(incarnation, queue, cancellationToken),
        _ => DeclareOwnAsync(incarnation, [queue], cancellationToken),
    };

    /// <summary>
    /// Declares queues that Jobs needs for itself, also when somebody else declares the job queues. In passive mode we
    /// look first whether the queues exist, because the user may lack the right to configure.
    /// </summary>
    async Task DeclareOwnAsync(Incarnation incarnation, QueueSpec[] queues, CancellationToken cancellationToken)
    {
        if (Mode == DeclareMode.Declare || !await AreThereAsync(incarnation, queues, [], cancellationToken).ConfigureAwait(false))
        {
            await DeclareAllAsync(incarnation, queues, null, cancellationToken).ConfigureAwait(false);
        }
    }

    static async Task<bool> AreThereAsync(
        Incarnation incarnation, IEnumerable<QueueSpec> queues, IEnumerable<string> exchanges, CancellationToken cancellationToken)
    {
        try
        {
            await OnChannelAsync(incarnation, async channel =>
            {
                foreach (var queue in queues)
                {
                    await channel.QueueDeclarePassiveAsync(queue.Name, cancellationToken).ConfigureAwait(false);
                }

                foreach (var exchange in exchanges)
                {
                    await channel.ExchangeDeclarePassiveAsync(exchange, cancellationToken).ConfigureAwait(false);
                }
            }, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return false;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.AccessRefused)
        {
            return true; // a user who may not look may not declare either
        }
    }

    /// <summary>
    /// Adds bindings. A user without the right to bind relies on the bindings that the administrator has made. A
    /// message that finds no way out of its delay becomes a dead letter.
    /// </summary>
    async Task BindAsync(Incarnation incarnation, Func<IChannel, Task> bind, CancellationToken cancellationToken)
    {
        try
        {
            await OnChannelAsync(incarnation, bind, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (Mode == DeclareMode.Passive && e.ShutdownReason?.ReplyCode == Constants.AccessRefused)
        {
            // The administrator may have made the bindings: see the summary.
        }
    }

    /// <summary>
    /// Declares a queue over a connection of its own. When a queue has no majority, the broker ends the connection of
    /// the declare after 15 s (541). On the shared connection, this would also end the term of a beat that leads.
    /// </summary>
    Task DeclareAsideAsync(Incarnation beside, QueueSpec queue, CancellationToken cancellationToken) =>
        AsideAsync(beside, queue.Name, (own, life) => DeclareOwnAsync(own, [queue], life), cancellationToken);

    async Task AsideAsync(Incarnation beside, string queue, Func<Incarnation, CancellationToken, Task> declare, CancellationToken cancellationToken)
    {
        var own = await BrokerConnection.OpenAsync(parts, "declare", beside.Connection.Endpoint, cancellationToken).ConfigureAwait(false);
        try
        {
            using var life = CancellationTokenSource.CreateLinkedTokenSource(own.Dead, cancellationToken);

            // RabbitMQ.Client 7.2.2 goes on waiting for the broker's answer when the token of a declare fires.
            await declare(own, life.Token).WaitAsync(life.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not JobTransportException && own.Dead.IsCancellationRequested)
        {
            throw new JobTransportException($"Queue '{queue}' could not be declared: {own.Reason}.", isTransient: true, e);
        }
        finally
        {
            _ = own.DisposeAsync().AsTask();
        }
    }

    void WarnOnce(string queue, string difference)
    {
        lock (gate)
        {
            if (!foreign.Add(queue))
            {
                return;
            }
        }

        Log.ForeignQueue(parts.Logger, queue, difference);
    }

    QueueSpec Spec(string queue)
    {
        lock (gate)
        {
            return special.TryGetValue(queue, out var known) ? known : layout.Work(queue);
        }
    }

    /// <summary>
    /// Declares all queues over one channel without waiting in between. The broker works through them in order, and
    /// closes the channel at the first one that it refuses. Only the last call waits for an answer, and so learns of
    /// every refusal.
    /// </summary>
    /// <param name="incarnation">The connection.</param>
    /// <param name="queues">The queues.</param>
    /// <param name="bind">Runs after the declarations; its last call must wait for an answer.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    async Task DeclareAllAsync(Incarnation incarnation, QueueSpec[] queues, Func<IChannel, Task>? bind, CancellationToken cancellationToken)
    {
        try
        {
            await OnChannelAsync(incarnation, async channel =>
            {
                channel.ContinuationTimeout = patience;
                for (var i = 0; i < queues.Length; i++)
                {
                    await DeclareOnAsync(channel, queues[i], noWait: bind is not null || i < queues.Length - 1, cancellationToken).ConfigureAwait(false);
                }

                await (bind?.Invoke(channel) ?? Task.CompletedTask).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode is Constants.PreconditionFailed or Constants.AccessRefused)
        {
            // The broker refused one of the queues. We declare them one by one to learn which.
            foreach (var queue in queues)
            {
                await DeclareOneAsync(incarnation, queue, cancellationToken).ConfigureAwait(false);
            }

            throw;
        }
    }

    Task DeclareOnAsync(IChannel channel, QueueSpec queue, bool noWait, CancellationToken cancellationToken) => channel.QueueDeclareAsync(
        queue.Name, durable: true, exclusive: false, autoDelete: false, QueueArguments.Of(queue, layout), passive: false, noWait, cancellationToken);

    async Task DeclareOneAsync(Incarnation incarnation, QueueSpec queue, CancellationToken cancellationToken)
    {
        try
        {
            await OnChannelAsync(
                incarnation, channel => DeclareOnAsync(channel, queue, noWait: false, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.PreconditionFailed)
        {
            // The broker's text names the argument with both values.
            throw new JobTransportException(
                $"Queue '{queue.Name}' exists with other arguments than Jobs declares "
                + $"({string.Join(", ", QueueArguments.Of(queue, layout).Select(a => $"{a.Key}={a.Value}"))}): {e.ShutdownReason.ReplyText}. "
                + Remedy(queue),
                inner: e);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.AccessRefused)
        {
            throw new JobTransportException(
                $"The user may not declare queue '{queue.Name}': {e.ShutdownReason.ReplyText}. "
                + "Grant 'configure', or declare the queue yourself and set Declare = DeclareMode.Passive.",
                inner: e);
        }
    }

    static string Remedy(QueueSpec queue) => queue.Kind switch
    {
        QueueKind.Work => "Delete the queue when it is empty, use another name, use it as it is with Declare = DeclareMode.Passive, or name it in "
            + "RabbitMqOptions.CeleryQueues when a Celery application declares it too.",
        QueueKind.Shared => $"Delete the queue when it is empty, and write in the Celery application {QueueLayout.Python(queue.Name)}.",
        QueueKind.DeadLetter => "Delete the queue when it is empty, or use another JobsOptions.DeadLetterQueue.",
        QueueKind.Quarantine => "Delete the queue when it is empty, or use another RabbitMqOptions.Prefix and move its jobs by hand.",
        QueueKind.Journal => "Delete the queue (its records are then lost), or use another RabbitMqOptions.Prefix.",
        QueueKind.History => "Delete the queue (the history in it is then lost), set JobsOptions.HistoryAge and HistoryBytes as the queue was declared, or "
            + "use another RabbitMqOptions.Prefix.",
        _ => "Delete the queue when it is empty, or use another RabbitMqOptions.Prefix: jobs that wait in the old levels still come out of them.",
    };

    static async Task PassiveAsync(Incarnation incarnation, string queue, CancellationToken cancellationToken)
    {
        try
        {
            await OnChannelAsync(incarnation, channel => channel.QueueDeclarePassiveAsync(queue, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            throw new JobTransportException(
                $"Queue '{queue}' does not exist, and Declare is Passive: {e.ShutdownReason.ReplyText}. "
                + "Create the queue, or let Jobs declare it with Declare = DeclareMode.Declare.",
                inner: e);
        }
    }

    static Task OnChannelAsync(Incarnation incarnation, Func<IChannel, Task> action, CancellationToken cancellationToken) => incarnation.OnChannelAsync(
        async channel =>
        {
            await action(channel).ConfigureAwait(false);
            return true;
        },
        cancellationToken);

    // The broker says "… inequivalent arg 'x-queue-type' for queue 'name' in vhost '/': …". The text names the first
    // difference, and the broker compares durable and auto_delete first. These two decide whether a queue outlives a
    // restart and its last consumer.
    static bool KeepsMessages(string queue, string? difference) =>
        difference?.Contains($" for queue '{queue}' ", StringComparison.Ordinal) == true
        && !difference.Contains("arg 'durable'", StringComparison.Ordinal) && !difference.Contains("arg 'auto_delete'", StringComparison.Ordinal);
}
