using System.Collections.Concurrent;
using Jobs.Wire;

namespace Jobs.Transport;

/// <summary>
/// Keeps jobs in the memory of this process, and loses them when the process ends. The reference implementation of the
/// contract; all its time comes from <see cref="TimeProvider"/>.
/// </summary>
sealed class InMemoryTransport(TimeProvider time, TimeSpan? resultExpires = null, JobsOptions? options = null) : JobTransport
{
    readonly InMemoryBroadcast broadcast = new();
    readonly InMemoryLog history = new(time, (options ?? new()).HistoryAge, (options ?? new()).HistoryBytes);
    readonly InMemoryResults results = new(time, resultExpires ?? TimeSpan.FromDays(1));
    readonly ConcurrentDictionary<string, InMemoryQueue> queues = new();
    readonly ConcurrentDictionary<ITimer, DelayedMessage> delays = new();
    readonly ConcurrentDictionary<string, InMemoryJournal> journals = new();
    readonly ConcurrentDictionary<InMemorySubscription, byte> subscriptions = new();
    readonly ConcurrentDictionary<string, byte> pending = new(StringComparer.Ordinal); // ids; see Outgoing.UnlessPending
    long lastDelayed;

    public override TransportCapabilities Capabilities =>
        TransportCapabilities.Priorities | TransportCapabilities.ResultsById | TransportCapabilities.UnlessPending;

    public override ResultStore Results => results;

    public override JobBroadcast Broadcast => broadcast;

    public override JobLog History => history;

    public override TransportInspection Inspection => new InMemoryInspection(this, time);

    /// <summary>The names of all queues.</summary>
    public ICollection<string> QueueNames => queues.Keys;

    /// <summary>The messages that wait for their time.</summary>
    public ICollection<DelayedMessage> Delayed => delays.Values;

    public override string MessagingSystem => "in_memory";

    public override ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (outgoing is { Kind: OutgoingKind.Reply, Queue: ResultStore.ById })
        {
            results.Tell(ResultMessage.Read(outgoing.Message.Body));
            return ValueTask.CompletedTask;
        }

        if (outgoing.Kind == OutgoingKind.Record)
        {
            return OpenJournal(outgoing.Queue).AppendAsync(outgoing.Message.Body, timeout, cancellationToken);
        }

        if (outgoing.Kind == OutgoingKind.Reply && !queues.ContainsKey(outgoing.Queue))
        {
            return ValueTask.CompletedTask; // nobody waits for the reply
        }

        if (outgoing.PendingId is not { } id || pending.TryAdd(id, 0))
        {
            Put(outgoing, outgoing.PendingId);
        }

        return ValueTask.CompletedTask;
    }

    public override Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken)
    {
        var subscription = new InMemorySubscription(this, [.. options.Queues.Select(Queue)], options.Prefetch, options.Begin);
        subscriptions[subscription] = 0;
        return Task.FromResult<JobSubscription>(subscription);
    }

    public override Task<long> CountAsync(string queue, CancellationToken cancellationToken) =>
        Task.FromResult(queues.TryGetValue(queue, out var there) ? (long)there.Count : 0);

    public override JobJournal OpenJournal(string name) => journals.GetOrAdd(name, _ => new());

    public override async ValueTask DisposeAsync()
    {
        results.Close();
        broadcast.Close();
        history.Close();
        foreach (var subscription in subscriptions.Keys)
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
        }

        foreach (var timer in delays.Keys)
        {
            timer.Dispose();
        }
    }

    /// <summary>How many messages wait in a queue, and since when the oldest does.</summary>
    public (int Count, DateTimeOffset? Oldest) Waiting(string queue) => queues.TryGetValue(queue, out var there) ? there.Look() : (0, null);

    /// <summary>How many messages each subscription holds of each of its queues.</summary>
    public IEnumerable<(string Queue, int Count)> Held => subscriptions.Keys.SelectMany(subscription => subscription.Held());

    InMemoryQueue Queue(string name) => queues.GetOrAdd(name, n => new(n));

    void Put(in Outgoing outgoing, string? pendingId)
    {
        var target = Queue(outgoing.Queue);
        var entry = new Entry(outgoing.Message, 0, pendingId);
        if (outgoing.Delay <= TimeSpan.Zero)
        {
            target.Add(entry);
        }
        else
        {
            Postpone(target, entry, outgoing.Delay, new(target.Name, entry.Message, time.GetUtcNow() + outgoing.Delay, Interlocked.Increment(ref lastDelayed)));
        }
    }

    void Postpone(InMemoryQueue target, Entry entry, TimeSpan delay, DelayedMessage shown)
    {
        // A timer takes at most about 49 days. A longer delay gets another timer for the rest.
        var longest = TimeSpan.FromDays(49);
        var first = delay < longest ? delay : longest;
        ITimer? timer = null;
        timer = time.CreateTimer(_ => Due(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        delays[timer] = shown;
        timer.Change(first, Timeout.InfiniteTimeSpan); // armed only now, so that Due always finds the timer

        void Due()
        {
            delays.TryRemove(timer!, out _);
            timer!.Dispose();
            if (delay > first)
            {
                Postpone(target, entry, delay - first, shown);
            }
            else
            {
                target.Add(entry);
            }
        }
    }

    /// <summary>
    /// A message in its queue, with the number of deliveries that did not settle it, and the id that it keeps pending.
    /// </summary>
    readonly record struct Entry(JobMessage Message, int Deliveries, string? PendingId);

    /// <summary>
    /// One queue: urgent messages first, then first in, first out. A released message goes to the front.
    /// </summary>
    sealed class InMemoryQueue(string name)
    {
        readonly PriorityQueue<Entry, (int Urgency, long Order)> entries = new();
        readonly List<InMemorySubscription> waiting = [];
        long back;
        long front;

        public string Name => name;

        public int Count
        {
            get
            {
                lock (entries)
                {
                    return entries.Count;
                }
            }
        }

        public (int Count, DateTimeOffset? Oldest) Look()
        {
            lock (entries)
            {
                return (entries.Count, entries.UnorderedItems.Min(item => MessageFacts.Since(item.Element.Message)));
            }
        }

        public void Add(Entry entry, bool atFront = false)
        {
            InMemorySubscription[] woken;
            lock (entries)
            {
                entries.Enqueue(entry, (-(entry.Message.Priority ?? 0), atFront ? --front : ++back));
                woken = [.. waiting];
            }

            foreach (var subscription in woken)
            {
                subscription.Fill();
            }
        }

        public bool TryTake(out Entry entry)
        {
            lock (entries)
            {
                return entries.TryDequeue(out entry, out _);
            }
        }

        public void Watch(InMemorySubscription subscription)
        {
            lock (entries)
            {
                waiting.Add(subscription);
            }
        }

        public void Unwatch(InMemorySubscription subscription)
        {
            lock (entries)
            {
                waiting.Remove(subscription);
            }
        }
    }

    sealed class InMemorySubscription : JobSubscription
    {
        readonly InMemoryTransport transport;
        readonly InMemoryQueue[] queues;
        readonly int[] unsettled;
        readonly int prefetch;
        readonly Task begin;
        readonly System.Threading.Channels.Channel<InMemoryDelivery> ready = System.Threading.Channels.Channel.CreateUnbounded<InMemoryDelivery>();
        readonly HashSet<InMemoryDelivery> inHand = [];
        readonly Lock gate = new();
        long taken;
        bool stopped;

        public InMemorySubscription(InMemoryTransport transport, InMemoryQueue[] queues, int prefetch, Task begin)
        {
            this.transport = transport;
            this.queues = queues;
            this.prefetch = prefetch;
            this.begin = begin;
            unsettled = new int[queues.Length];
            foreach (var queue in queues)
            {
                queue.Watch(this);
            }

            if (begin.IsCompleted)
            {
                Fill();
            }
            else
            {
                _ = begin.ContinueWith(_ => Fill(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
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

        public List<(string Queue, int Count)> Held()
        {
            lock (gate)
            {
                return [.. queues.Zip(unsettled, (queue, count) => (queue.Name, count))];
            }
        }

        public override SubscriptionHealth CheckHealth() => SubscriptionHealth.Healthy with { Ready = ready.Reader.Count };

        /// <summary>Takes messages from each queue, as many as the prefetch still allows.</summary>
        public void Fill()
        {
            lock (gate)
            {
                for (var i = 0; i < queues.Length && !stopped && begin.IsCompleted; i++)
                {
                    while (unsettled[i] < prefetch && queues[i].TryTake(out var entry))
                    {
                        unsettled[i]++;
                        var delivery = new InMemoryDelivery(this, i, entry, ++taken);
                        inHand.Add(delivery);
                        ready.Writer.TryWrite(delivery);
                    }
                }
            }
        }

        public override async Task StopAsync(CancellationToken cancellationToken)
        {
            lock (gate)
            {
                stopped = true;
            }

            foreach (var queue in queues)
            {
                queue.Unwatch(this);
            }

            ready.Writer.TryComplete();
            var notStarted = new Stack<InMemoryDelivery>();
            while (ready.Reader.TryRead(out var delivery))
            {
                notStarted.Push(delivery);
            }

            foreach (var delivery in notStarted) // last first: each goes to the front, and the queue is in order again
            {
                await delivery.ReleaseAsync().ConfigureAwait(false);
            }
        }

        public override async ValueTask DisposeAsync()
        {
            transport.subscriptions.TryRemove(this, out _);
            await StopAsync(CancellationToken.None).ConfigureAwait(false);
            InMemoryDelivery[] left;
            lock (gate)
            {
                left = [.. inHand.OrderByDescending(d => d.Number)]; // last first, as above
            }

            foreach (var delivery in left)
            {
                await delivery.ReleaseAsync().ConfigureAwait(false);
            }
        }

        sealed class InMemoryDelivery(InMemorySubscription subscription, int index, Entry entry, long number) : Delivery
        {
            public long Number => number;

            string? PendingId { get; set; } = entry.PendingId;

            public override string Queue => subscription.queues[index].Name;

            public override JobMessage Message => entry.Message;

            public override int DeliveryCount => entry.Deliveries;

            protected override ValueTask<IReadOnlyDictionary<int, Exception>> WriteAsync(IReadOnlyList<Outgoing> outgoing) =>
                subscription.transport.PublishAsync(outgoing, Timeout.InfiniteTimeSpan, CancellationToken.None);

            protected override async ValueTask<IReadOnlyDictionary<int, Exception>> WriteAndLeaveAsync(IReadOnlyList<Outgoing> outgoing)
            {
                if (PendingId is { } id && outgoing.FirstOrDefault(one => IsNextAttempt(one)) is { Message: not null } next)
                {
                    PendingId = null; // the next attempt has it now; it was never free
                    subscription.transport.Put(next, id);
                    outgoing = [.. outgoing.Where(one => one != next)];
                }

                return await base.WriteAndLeaveAsync(outgoing).ConfigureAwait(false);
            }

            protected override ValueTask LeaveAsync()
            {
                if (PendingId is { } id)
                {
                    subscription.transport.pending.TryRemove(id, out _);
                }

                Forget();
                subscription.Fill();
                return ValueTask.CompletedTask;
            }

            protected override ValueTask ReleaseCoreAsync()
            {
                Forget();
                subscription.queues[index].Add(entry with { Deliveries = entry.Deliveries + 1 }, atFront: true);
                subscription.Fill();
                return ValueTask.CompletedTask;
            }

            void Forget()
            {
                lock (subscription.gate)
                {
                    subscription.inHand.Remove(this);
                    subscription.unsettled[index]--;
                }
            }
        }
    }
}
