using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Jobs.Diagnostics;

/// <summary>
/// The metrics of one host. Names are in <see cref="TelemetryNames"/>, spans in <see cref="Traces"/>.
/// </summary>
/// <remarks>
/// Each host has an instance, on a meter of the host's <see cref="IMeterFactory"/>. So two hosts in one process have
/// instruments of their own, gauges end with their host, and a listener can tell hosts apart by
/// <see cref="Meter.Scope"/>. (The activity source is static: it holds no state of a host.)
/// <para>
/// Each method looks at <see cref="Instrument.Enabled"/> first, so that a metric without a listener costs nothing. With
/// a listener, the tags are a <see cref="TagList"/> on the stack.
/// </para>
/// <para>
/// An outcome is counted when it is decided, not when the job is settled. When the settlement fails, the job runs again
/// and is counted again.
/// </para>
/// </remarks>
sealed class Telemetry : IDisposable
{
    // The buckets of the convention end at 10 s; jobs run longer.
    static readonly InstrumentAdvice<double> fast = new()
    {
        HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30],
    };

    static readonly InstrumentAdvice<double> slow = new()
    {
        HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300, 900, 3600],
    };

    readonly Meter meter;
    readonly Meter? own;
    readonly Counter<long> sent;
    readonly Histogram<double> operation;
    readonly Counter<long> consumed;
    readonly Histogram<double> process;
    readonly Histogram<double> queueLatency;
    readonly UpDownCounter<long> active;
    readonly Counter<long> retries;
    readonly Counter<long> dead;
    readonly Counter<long> expired;
    readonly Counter<long> redelivered;
    readonly Counter<long> settlementFailures;
    readonly Histogram<double> beatLag;
    readonly Histogram<double> confirm;
    readonly Counter<long> repliesDropped;
    readonly Counter<long> quarantined;
    readonly Counter<long> reconnects;
    readonly Counter<long> consumersLost;
    readonly Counter<long> eventsDropped;

    /// <param name="meters">The host's factory. A bare service collection has none; then the meter is our own.</param>
    public Telemetry(IMeterFactory? meters = null)
    {
        var options = new MeterOptions(TelemetryNames.Source) { Version = TelemetryNames.Version };
        meter = meters?.Create(options) ?? (own = new(options));

        sent = Counter(TelemetryNames.Metric.Sent, TelemetryNames.Unit.Messages, "Jobs that were enqueued, and jobs whose enqueue failed.");
        operation = Histogram(TelemetryNames.Metric.Operation, TelemetryNames.Unit.Seconds, fast, "How long an enqueue took, until the job was durable.");
        consumed = Counter(TelemetryNames.Metric.Consumed, TelemetryNames.Unit.Messages, "Deliveries that a worker took.");
        process = Histogram(TelemetryNames.Metric.Process, TelemetryNames.Unit.Seconds, slow, "How long a task ran.");
        queueLatency = Histogram(
            TelemetryNames.Metric.QueueLatency, TelemetryNames.Unit.Seconds, slow, "From the publication of a job, or the time it was due, to its start.");
        active = Made(m => m.CreateUpDownCounter<long>(TelemetryNames.Metric.Active, TelemetryNames.Unit.Jobs, "Jobs that are running."));
        retries = Counter(TelemetryNames.Metric.Retries, TelemetryNames.Unit.Jobs, "Runs that failed and will be repeated.");
        dead = Counter(TelemetryNames.Metric.Dead, TelemetryNames.Unit.Jobs, "Jobs that went to the dead-letter queue.");
        expired = Counter(TelemetryNames.Metric.Expired, TelemetryNames.Unit.Jobs, "Jobs that had expired and were dropped without running.");
        redelivered = Counter(
            TelemetryNames.Metric.Redelivered, TelemetryNames.Unit.Messages, "Deliveries of messages that had been delivered before and not been settled.");
        settlementFailures = Counter(TelemetryNames.Metric.SettlementFailures, TelemetryNames.Unit.Jobs, "Jobs that could not be settled, and will run again.");
        beatLag = Histogram(
            TelemetryNames.Metric.BeatLag, TelemetryNames.Unit.Seconds, slow, "From the time of an occurrence to the moment its job was enqueued.");
        confirm = Histogram(
            TelemetryNames.Metric.Confirm,
            TelemetryNames.Unit.Seconds,
            fast,
            "From the write of a message to the broker's confirm; its count is the number of confirms.");
        repliesDropped = Counter(TelemetryNames.Metric.RepliesDropped, TelemetryNames.Unit.Messages, "Results that nobody took, and that were dropped.");
        quarantined = Counter(TelemetryNames.Metric.Quarantined, TelemetryNames.Unit.Jobs, "Jobs that were moved to quarantine.");
        reconnects = Counter(TelemetryNames.Metric.Reconnects, TelemetryNames.Unit.Connections, "Connections to the broker that were lost and work again.");
        consumersLost = Counter(TelemetryNames.Metric.ConsumersLost, TelemetryNames.Unit.Consumers, "Consumers that were lost while their connection lived.");
        eventsDropped = Counter(TelemetryNames.Metric.EventsDropped, TelemetryNames.Unit.Events, "Events that could not be sent in time.");

        Counter<long> Counter(string name, string unit, string description) => Made(m => m.CreateCounter<long>(name, unit, description));

        Histogram<double> Histogram(string name, string unit, InstrumentAdvice<double> advice, string description) =>
            Made(m => m.CreateHistogram(name, unit, description, advice: advice));

        // Listeners that hear of a new instrument are user code and may throw. No listener hears of the instruments of
        // a disposed meter.
        T Made<T>(Func<Meter, T> make)
        {
            try
            {
                return make(meter);
            }
            catch (Exception)
            {
                var unheard = new Meter(options);
                unheard.Dispose();
                return make(unheard);
            }
        }
    }

    /// <summary>Whether anybody counts enqueues.</summary>
    public bool WantsSent => sent.Enabled || operation.Enabled;

    /// <summary>An enqueue has ended. Without an error, the job is enqueued.</summary>
    public void Sent(string system, string task, string queue, TimeSpan duration, string? error)
    {
        if (WantsSent)
        {
            var tags = Tags(system, TelemetryNames.Operation.Send, task, queue, error);
            Add(sent, 1, tags);
            tags.Add(TelemetryNames.Tag.OperationType, TelemetryNames.Operation.Send);
            Record(operation, duration.TotalSeconds, tags);
        }
    }

    /// <summary>A worker took a delivery.</summary>
    public void Consumed(string system, string task, string queue, int deliveredBefore)
    {
        if (consumed.Enabled)
        {
            Add(consumed, 1, Tags(system, TelemetryNames.Operation.Process, task, queue, null));
        }

        if (deliveredBefore > 0 && redelivered.Enabled)
        {
            Add(redelivered, 1, new TagList { { TelemetryNames.Tag.Queue, queue } });
        }
    }

    /// <summary>A task begins to run.</summary>
    /// <param name="task">The task.</param>
    /// <param name="queue">The queue that the job came from.</param>
    /// <param name="since">
    /// When the job was published or due; <see langword="null"/> when the sender did not say.
    /// </param>
    /// <param name="now">The time.</param>
    /// <returns>Whether the run was added to the active jobs: only then may <see cref="Ended"/> subtract it.</returns>
    public bool Started(string task, string queue, DateTimeOffset? since, DateTimeOffset now)
    {
        if (since is { } from)
        {
            // Not negative: the clocks of two machines may differ by more than the wait.
            Record(queueLatency, Math.Max(0, (now - from).TotalSeconds), Job(task, queue));
        }

        var counted = active.Enabled;
        if (counted)
        {
            Add(active, 1, Job(task, queue));
        }

        return counted;
    }

    /// <summary>Whether anybody measures how long jobs wait. The caller then has to look into the message.</summary>
    public bool WantsQueueLatency => queueLatency.Enabled;

    /// <summary>A task has run.</summary>
    public void Ended(bool counted, string system, string task, string queue, TimeSpan duration, string outcome, string? error)
    {
        if (counted)
        {
            Add(active, -1, Job(task, queue));
        }

        if (process.Enabled)
        {
            var tags = Tags(system, TelemetryNames.Operation.Process, task, queue, error);
            tags.Add(TelemetryNames.Tag.Outcome, outcome);
            Record(process, duration.TotalSeconds, tags);
        }
    }

    public void Retried(string task, string queue, string error) => Count(retries, task, queue, error);

    public void Died(string task, string queue, string error) => Count(dead, task, queue, error);

    public void Expired(string task, string queue) => Count(expired, task, queue, null);

    public void SettlementFailed(string queue)
    {
        if (settlementFailures.Enabled)
        {
            Add(settlementFailures, 1, new TagList { { TelemetryNames.Tag.Queue, queue } });
        }
    }

    /// <summary>
    /// The beat enqueued the job of an occurrence, <paramref name="lag"/> after the time of the occurrence.
    /// </summary>
    public void OccurrenceFired(string schedule, TimeSpan lag)
    {
        if (beatLag.Enabled)
        {
            Record(beatLag, Math.Max(0, lag.TotalSeconds), new TagList { { TelemetryNames.Tag.Schedule, schedule } });
        }
    }

    /// <summary>
    /// The broker confirmed a message, <paramref name="latency"/> after the message was written: a job, a retry, a dead
    /// letter or a quarantined job.
    /// </summary>
    public void Confirmed(string system, string queue, TimeSpan latency)
    {
        if (confirm.Enabled)
        {
            Record(confirm, latency.TotalSeconds, new TagList { { TelemetryNames.Tag.System, system }, { TelemetryNames.Tag.Queue, queue } });
        }
    }

    public void ReplyDropped(string queue)
    {
        if (repliesDropped.Enabled)
        {
            Add(repliesDropped, 1, new TagList { { TelemetryNames.Tag.Queue, queue } });
        }
    }

    public void Quarantined(string queue)
    {
        if (quarantined.Enabled)
        {
            Add(quarantined, 1, new TagList { { TelemetryNames.Tag.Queue, queue } });
        }
    }

    /// <param name="system">The name of the transport.</param>
    /// <param name="connection">What the connection is for: <c>publish</c> or <c>consume</c>.</param>
    public void Reconnected(string system, string connection)
    {
        if (reconnects.Enabled)
        {
            Add(reconnects, 1, new TagList { { TelemetryNames.Tag.System, system }, { TelemetryNames.Tag.Connection, connection } });
        }
    }

    public void ConsumerLost(string queue)
    {
        if (consumersLost.Enabled)
        {
            Add(consumersLost, 1, new TagList { { TelemetryNames.Tag.Queue, queue } });
        }
    }

    public void EventsDropped(string system, long count)
    {
        if (eventsDropped.Enabled)
        {
            Add(eventsDropped, count, new TagList { { TelemetryNames.Tag.System, system } });
        }
    }

    /// <summary>Makes the gauges of a transport. A collector reads the gauges, which end with the host.</summary>
    /// <param name="connections">1 for a connection that works, else 0.</param>
    /// <param name="consumers">How many consumers a queue has here.</param>
    /// <param name="blocked">1 while the broker takes no publishes, else 0.</param>
    /// <param name="pending">How many messages wait for their write or their confirm.</param>
    public void Observe(
        Func<IEnumerable<Measurement<int>>> connections,
        Func<IEnumerable<Measurement<int>>> consumers,
        Func<IEnumerable<Measurement<int>>> blocked,
        Func<IEnumerable<Measurement<int>>> pending)
    {
        try
        {
            meter.CreateObservableGauge(
                TelemetryNames.Metric.ConnectionUp, connections, TelemetryNames.Unit.Connections, "1 for a connection to the broker that works, else 0.");
            meter.CreateObservableUpDownCounter(
                TelemetryNames.Metric.ConsumerCount, consumers, TelemetryNames.Unit.Consumers, "Consumers that this process has at a queue.");
            meter.CreateObservableGauge(
                TelemetryNames.Metric.Blocked, blocked, TelemetryNames.Unit.Connections, "1 while the broker blocks publishing, else 0.");
            meter.CreateObservableUpDownCounter(
                TelemetryNames.Metric.Pending, pending, TelemetryNames.Unit.Messages, "Messages that wait to be written or confirmed.");
        }
        catch (Exception)
        {
            // Listeners that hear of a new instrument are user code and may throw; the transport must start all the
            // same.
        }
    }

    /// <summary><c>error.type</c> of an exception.</summary>
    public static string ErrorType(Exception e) => e switch
    {
        JobPublishException { MaybeEnqueued: true } => TelemetryNames.Error.MaybeEnqueued,
        JobPublishException => TelemetryNames.Error.NotEnqueued,
        JobFormatException => TelemetryNames.Error.Malformed,
        _ => e.GetType().FullName ?? e.GetType().Name,
    };

    public void Dispose() => own?.Dispose();

    // Listeners are user code: an exception of theirs must change nothing about a job. All measurements go through
    // these three.
    static void Add(Counter<long> counter, long value, in TagList tags)
    {
        try
        {
            counter.Add(value, tags);
        }
        catch (Exception)
        {
            // There is nobody to tell.
        }
    }

    static void Add(UpDownCounter<long> counter, long value, in TagList tags)
    {
        try
        {
            counter.Add(value, tags);
        }
        catch (Exception)
        {
            // As above.
        }
    }

    static void Record(Histogram<double> histogram, double value, in TagList tags)
    {
        try
        {
            histogram.Record(value, tags);
        }
        catch (Exception)
        {
            // As above.
        }
    }

    static void Count(Counter<long> counter, string task, string queue, string? error)
    {
        if (counter.Enabled)
        {
            var tags = Job(task, queue);
            if (error is not null)
            {
                tags.Add(TelemetryNames.Tag.Error, error);
            }

            Add(counter, 1, tags);
        }
    }

    static TagList Tags(string system, string operation, string task, string queue, string? error)
    {
        var tags = new TagList
        {
            { TelemetryNames.Tag.System, system },
            { TelemetryNames.Tag.Operation, operation },
            { TelemetryNames.Tag.Queue, queue },
            { TelemetryNames.Tag.Task, task },
        };
        if (error is not null)
        {
            tags.Add(TelemetryNames.Tag.Error, error);
        }

        return tags;
    }

    static TagList Job(string task, string queue) => new() { { TelemetryNames.Tag.Task, task }, { TelemetryNames.Tag.Queue, queue } };
}
