using System.Diagnostics.Metrics;
using System.Text.Json;
using Jobs.Diagnostics;
using Jobs.Events;
using Jobs.Tests.Working;
using Jobs.Transport;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Jobs.Tests.Events;

/// <summary>Batches, bounds, and what is said of events that were dropped.</summary>
public sealed class EventFeedTests : IDisposable
{
    const int Dropped = 140;

    readonly FakeTimeProvider time = new(new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    readonly Recorder broadcast = new();
    readonly CapturedLogs logs = new();
    readonly Telemetry telemetry = new();
    readonly EventLosses losses;
    readonly EventFeed feed;

    public EventFeedTests()
    {
        losses = new(new MissingTransport(), telemetry, time, LoggerFactory.Create(logging => logging.AddProvider(logs)).CreateLogger<EventLosses>());
        feed = new(broadcast, null, "jobs-1@here", new(), losses, time);
    }

    public void Dispose()
    {
        feed.Dispose();
        telemetry.Dispose();
    }

    [Fact]
    public void Events_of_jobs_wait_a_quarter_of_a_second_for_each_other()
    {
        Add("a");
        Add("b");
        time.Advance(TimeSpan.FromMilliseconds(249));
        Assert.Empty(broadcast.Sent);
        time.Advance(TimeSpan.FromMilliseconds(1));

        var message = Assert.Single(broadcast.Sent);
        Assert.Equal(("task.multi", "jobs-1@here", 2), (message.Topic, message.Sender, message.Events));
        var events = JsonDocument.Parse(message.Body).RootElement;
        Assert.Equal(["a", "b"], events.EnumerateArray().Select(e => e.GetProperty("uuid").GetString()));
        Assert.Equal([1, 2], events.EnumerateArray().Select(e => e.GetProperty("clock").GetInt32()));
        Assert.All(events.EnumerateArray(), e => Assert.Equal(1_893_456_000.0, e.GetProperty("timestamp").GetDouble()));

        Add("c");
        time.Advance(TimeSpan.FromMilliseconds(250));
        Assert.Equal(2, broadcast.Sent.Count);
    }

    [Fact]
    public void A_full_batch_does_not_wait_and_an_event_of_the_worker_takes_the_batch_along()
    {
        for (var i = 0; i < 250; i++)
        {
            Add("x");
        }

        Assert.Equal([100, 100], broadcast.Sent.Select(m => m.Events));
        feed.Send("worker.heartbeat", TimeSpan.FromSeconds(4), "y", Write);
        Assert.Equal(["task.multi", "task.multi", "task.multi", "worker.heartbeat"], broadcast.Sent.Select(m => m.Topic));
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(broadcast.Sent[^1].Body).RootElement.ValueKind);
        Assert.Equal(time.GetUtcNow().AddSeconds(4), broadcast.Sent[^1].SendBy);
    }

    [Fact]
    public void Large_events_make_no_large_batches()
    {
        for (var i = 0; i < 10; i++)
        {
            Add(new string('x', 10_000));
        }

        Assert.Equal([4, 4], broadcast.Sent.Select(m => m.Events));
        feed.Dispose();
        Assert.Equal([4, 4, 2], broadcast.Sent.Select(m => m.Events));
        Add("late");
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(3, broadcast.Sent.Count);
    }

    [Fact]
    public void An_event_that_cannot_be_written_leaves_no_trace_in_the_batch()
    {
        Add("a");
        feed.Add("b", static (EventWriter writer, in string id) =>
        {
            writer.Begin("task-received"u8, id, default);
            writer.End();
            writer.Begin("task-failed"u8, id, default);
            writer.Json.WriteStartArray("half"u8);
            throw new InvalidOperationException("a getter of the user's exception");
        });
        Add("c");
        feed.Dispose();
        var events = JsonDocument.Parse(Assert.Single(broadcast.Sent).Body).RootElement;
        Assert.Equal(["a", "c"], events.EnumerateArray().Select(e => e.GetProperty("uuid").GetString()));
    }

    [Fact]
    public void What_the_broadcast_drops_is_logged_once_a_minute()
    {
        losses.Look(broadcast);
        Assert.Empty(logs.Lines);
        broadcast.Lost = 7;
        losses.Look(broadcast);
        broadcast.Lost = 20;
        time.Advance(TimeSpan.FromSeconds(59));
        losses.Look(broadcast);
        Assert.StartsWith("7 events were dropped", Assert.Single(logs.Lines, line => line.EventId == Dropped).Text, StringComparison.Ordinal);
        time.Advance(TimeSpan.FromSeconds(1));
        losses.Look(broadcast);
        Assert.StartsWith("13 events were dropped", logs.Lines.Last(line => line.EventId == Dropped).Text, StringComparison.Ordinal);
        time.Advance(TimeSpan.FromMinutes(5));
        losses.Look(broadcast);
        Assert.Equal(2, logs.Lines.Count(line => line.EventId == Dropped));
    }

    [Fact]
    public void What_the_broadcast_drops_is_counted_by_a_metric()
    {
        var counted = 0L;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name == "jobs.events.dropped")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            Assert.Equal("messaging.system", tags[0].Key);
            counted += Equals(tags[0].Value, "jobs") ? value : 0; // other hosts of this process have other transports
        });
        listener.Start();
        broadcast.Lost = 7;
        losses.Look(broadcast);
        broadcast.Lost = 20;
        losses.Look(broadcast);
        losses.Look(broadcast);
        Assert.Equal(20, counted);
    }

    [Fact]
    public void A_queue_drops_the_oldest_beyond_its_bounds_and_counts_their_events()
    {
        var queue = new BroadcastQueue(mostEvents: 10, mostBytes: 100);
        for (var i = 0; i < 5; i++)
        {
            queue.Add(Message($"{i}", events: 3));
        }

        Assert.Equal(6, queue.Dropped);
        Assert.Equal("2", queue.TryTake()!.Topic);
        queue.Add(Message("large", events: 1, bytes: 99));
        Assert.Equal(6 + 3, queue.Dropped);
        Assert.Equal("4", queue.TryTake()!.Topic);
        Assert.Equal("large", queue.TryTake()!.Topic);
        Assert.Null(queue.TryTake());
        queue.Add(Message("too large", events: 1, bytes: 101));
        Assert.Null(queue.TryTake());
        queue.Complete();
        queue.Add(Message("late", events: 1));
        Assert.Equal(6 + 3 + 2, queue.Dropped);
    }

    [Fact]
    public void Two_workers_of_a_process_have_two_names_and_a_name_that_is_free_is_taken_again()
    {
        var machine = Environment.MachineName;
        var (first, second, third) = (NodeName.Take("names-test"), NodeName.Take("names-test"), NodeName.Take("names-test@other"));
        Assert.Equal(($"names-test@{machine}", $"names-test-2@{machine}", "names-test@other"), (first, second, third));
        NodeName.Release(first);
        Assert.Equal(first, NodeName.Take("names-test"));
        NodeName.Release(first);
        NodeName.Release(second);
        NodeName.Release(third);
        var own = NodeName.Take(null);
        Assert.StartsWith($"jobs-{Environment.ProcessId}", own, StringComparison.Ordinal);
        NodeName.Release(own);
    }

    void Add(string id) => feed.Add(id, Write);

    void Write(EventWriter writer, in string id)
    {
        writer.Begin("task-started"u8, id, time.GetUtcNow());
        writer.End();
    }

    static BroadcastMessage Message(string topic, int events, int bytes = 1) => new() { Topic = topic, Body = new byte[bytes], Sender = "s", Events = events };

    sealed class Recorder : JobBroadcast
    {
        public List<BroadcastMessage> Sent { get; } = [];

        public long Lost { get; set; }

        public override long Dropped => Lost;

        public override void Send(BroadcastMessage message) => Sent.Add(message);

        public override Task<BroadcastSubscription> ListenAsync(string pattern, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
