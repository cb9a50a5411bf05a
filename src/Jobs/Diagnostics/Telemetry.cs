using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Jobs.Diagnostics;

/// <summary>The metrics of one host. Names are in <see cref="TelemetryNames"/>, spans in <see cref="Traces"/>.</summary>
/// <remarks>
/// An instance per host, on a meter of the host's <see cref="IMeterFactory"/>: two hosts in one process have instruments of their own, gauges end with their host, and a listener can tell hosts apart by
/// <see cref="Meter.Scope"/>. (The activity source is static: it holds no state that could mix.) Each method looks at <see cref="Instrument.Enabled"/> first, so that nobody pays
/// for what nobody reads; with a listener the tags are a <see cref="TagList"/> on the stack.
/// What a job came to is counted when it is decided, not when it is settled: when the settlement fails, the job runs and is counted again.
/// </remarks>
sealed class Telemetry : IDisposable
{
    // The convention's buckets end at 10 s; jobs go on.
    static readonly InstrumentAdvice<double> fast = new() { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30] };
    static readonly InstrumentAdvice<double> slow = new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300, 900, 3600] };

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
    readonly Counter<long> revoked;
    readonly Counter<long> redelivered;
    readonly Counter<long> settlementFailures;
    readonly Histogram<double> beatLag;
    readonly Histogram<double> confirm;
    readonly Counter<long> repliesDropped;
    readonly Counter<long> quarantined;
    readonly Counter<long> reconnects;
    readonly Counter<long> consumersLost;

    /// <param name="meters">The host's; a bare service collection has none, then the meter is our own.</param>
    public Telemetry(IMeterFactory? meters = null)
    {
        var options = new MeterOptions(TelemetryNames.Source) { Version = TelemetryNames.Version };
        meter = meters?.Create(options) ?? (own = new(options));

        sent = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.Sent, TelemetryNames.Unit.Messages, "Jobs that were enqueued, or failed to be."));
        operation = Made(m => m.CreateHistogram(TelemetryNames.Metric.Operation, TelemetryNames.Unit.Seconds, "How long an enqueue took, until the job was durable.", advice: fast));
        consumed = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.Consumed, TelemetryNames.Unit.Messages, "Deliveries that a worker took in hand."));
        process = Made(m => m.CreateHistogram(TelemetryNames.Metric.Process, TelemetryNames.Unit.Seconds, "How long a task ran.", advice: slow));
        queueLatency = Made(m => m.CreateHistogram(TelemetryNames.Metric.QueueLatency, TelemetryNames.Unit.Seconds, "From the publication of a job, or the time it was due, to its start.", advice: slow));
        active = Made(m => m.CreateUpDownCounter<long>(TelemetryNames.Metric.Active, TelemetryNames.Unit.Jobs, "Jobs that are running."));
        retries = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.Retries, TelemetryNames.Unit.Jobs, "Runs that failed and will be repeated."));
        dead = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.Dead, TelemetryNames.Unit.Jobs, "Jobs that went to the dead-letter queue."));
        revoked = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.Revoked, TelemetryNames.Unit.Jobs, "Jobs that had expired and were dropped without running."));
        redelivered = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.Redelivered, TelemetryNames.Unit.Messages, "Deliveries of messages that had been handed out before and not come to an end."));
        settlementFailures = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.SettlementFailures, TelemetryNames.Unit.Jobs, "Jobs that could not be settled, and will run again."));
        beatLag = Made(m => m.CreateHistogram(TelemetryNames.Metric.BeatLag, TelemetryNames.Unit.Seconds, "From the time of an occurrence to the moment its job was enqueued.", advice: slow));
        confirm = Made(m => m.CreateHistogram(TelemetryNames.Metric.Confirm, TelemetryNames.Unit.Seconds, "From the write of a message to the broker's confirm; its count is the number of confirms.", advice: fast));
        repliesDropped = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.RepliesDropped, TelemetryNames.Unit.Messages, "Results that nobody took, and that were dropped."));
        quarantined = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.Quarantined, TelemetryNames.Unit.Jobs, "Jobs that were moved to quarantine."));
        reconnects = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.Reconnects, TelemetryNames.Unit.Connections, "Connections to the broker that were lost and work again."));
        consumersLost = Made(m => m.CreateCounter<long>(TelemetryNames.Metric.ConsumersLost, TelemetryNames.Unit.Consumers, "Consumers that were lost while their connection lived."));

        // A listener that is told of a new instrument is the user's code; nobody hears what a disposed meter makes.
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

    /// <summary>An enqueue came to its answer; without an error the job is enqueued.</summary>
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

    /// <summary>A worker took a delivery in hand.</summary>
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
    /// <param name="queue">The queue it came from.</param>
    /// <param name="since">When it was published or due; <see langword="null"/> when the sender did not say.</param>
    /// <param name="now">The time.</param>
    /// <returns>Whether it was counted as active: what was not counted in must not be counted out.</returns>
    public bool Started(string task, string queue, DateTimeOffset? since, DateTimeOffset now)
    {
        if (since is { } from)
        {
            // Two machines' clocks may differ by more than the wait.
            Record(queueLatency, Math.Max(0, (now - from).TotalSeconds), Job(task, queue));
        }

        var counted = active.Enabled;
        if (counted)
        {
            Add(active, 1, Job(task, queue));
        }

        return counted;
    }

    /// <summary>Whether anybody asks how long jobs wait: finding out takes a look into the message.</summary>
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

    public void Expired(string task, string queue) => Count(revoked, task, queue, null);

    public void SettlementFailed(string queue)
    {
        if (settlementFailures.Enabled)
        {
            Add(settlementFailures, 1, new TagList { { TelemetryNames.Tag.Queue, queue } });
        }
    }

    /// <summary>The beat enqueued the job of an occurrence, that long after the occurrence's time.</summary>
    public void OccurrenceFired(string schedule, TimeSpan lag)
    {
        if (beatLag.Enabled)
        {
            Record(beatLag, Math.Max(0, lag.TotalSeconds), new TagList { { TelemetryNames.Tag.Schedule, schedule } });
        }
    }

    /// <summary>The broker confirmed a message that was written that long ago. Retries, dead letters and quarantined jobs are such messages too.</summary>
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

    /// <param name="system">The transport's.</param>
    /// <param name="connection">What it is for: <c>publish</c> or <c>consume</c>.</param>
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

    /// <summary>Gauges of a transport, read when somebody collects; they end with the host.</summary>
    /// <param name="connections">1 for a connection that works, else 0.</param>
    /// <param name="consumers">How many consumers a queue has here.</param>
    /// <param name="blocked">1 while the broker takes no publishes, else 0.</param>
    /// <param name="pending">How many messages wait for their write or their confirm.</param>
    public void Observe(Func<IEnumerable<Measurement<int>>> connections, Func<IEnumerable<Measurement<int>>> consumers, Func<IEnumerable<Measurement<int>>> blocked, Func<IEnumerable<Measurement<int>>> pending)
    {
        try
        {
            meter.CreateObservableGauge(TelemetryNames.Metric.ConnectionUp, connections, TelemetryNames.Unit.Connections, "1 for a connection to the broker that works, else 0.");
            meter.CreateObservableUpDownCounter(TelemetryNames.Metric.ConsumerCount, consumers, TelemetryNames.Unit.Consumers, "Consumers that this process has at a queue.");
            meter.CreateObservableGauge(TelemetryNames.Metric.Blocked, blocked, TelemetryNames.Unit.Connections, "1 while the broker blocks publishing, else 0.");
            meter.CreateObservableUpDownCounter(TelemetryNames.Metric.Pending, pending, TelemetryNames.Unit.Messages, "Messages that wait to be written or confirmed.");
        }
        catch (Exception)
        {
            // A listener that is told of new instruments is the user's code; the transport must come up all the same.
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

    // Listeners are the user's code: what they throw must change nothing about a job. All measurements go through these three.
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
        var tags = new TagList { { TelemetryNames.Tag.System, system }, { TelemetryNames.Tag.Operation, operation }, { TelemetryNames.Tag.Queue, queue }, { TelemetryNames.Tag.Task, task } };
        if (error is not null)
        {
            tags.Add(TelemetryNames.Tag.Error, error);
        }

        return tags;
    }

    static TagList Job(string task, string queue) => new() { { TelemetryNames.Tag.Task, task }, { TelemetryNames.Tag.Queue, queue } };
}
