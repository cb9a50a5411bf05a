using System.Text.Json;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Contracts;

/// <summary>What viewers see of workers and jobs.</summary>
public abstract partial class HostContract
{
    [Fact]
    public async Task By_default_a_job_that_fails_is_told_with_all_that_a_reader_needs()
    {
        var dispatcher = await StartAsync();
        await using var viewer = await Viewer.StartAsync(TransportOf(dispatcher));
        var before = TimeProvider.System.GetUtcNow().AddSeconds(-1).ToUnixTimeSeconds();

        var job = await dispatcher.EnqueueAsync(ContractJobs.Fail("it's torn"), TestContext.Current.CancellationToken);
        await Wait.Until(() => viewer.TypesOf(job.Id).Contains("task-failed"));

        Assert.Equal(["task-received", "task-failed"], viewer.TypesOf(job.Id));
        var (received, failed) = (viewer.OfJob(job.Id)[0], viewer.OfJob(job.Id)[1]);
        Assert.Equal(
            ["contract.fail", """("it's torn",)""", "{}", Queue, job.Id, null, null, null],
            Texts(received, "name", "args", "kwargs", "queue", "root_id", "parent_id", "eta", "expires"));
        Assert.Equal(0, received.GetProperty("retries").GetInt32());
        Assert.Equal("""InvalidOperationException("it's torn")""", failed.GetProperty("exception").GetString());
        Assert.Contains(nameof(ContractTasks), failed.GetProperty("traceback").GetString(), StringComparison.Ordinal);
        Assert.All(new[] { received, failed }, e =>
        {
            Assert.InRange(e.GetProperty("timestamp").GetDouble(), before, before + 60);
            Assert.StartsWith($"jobs-{Environment.ProcessId}", e.GetProperty("hostname").GetString(), StringComparison.Ordinal);
            Assert.Equal(Environment.ProcessId, e.GetProperty("pid").GetInt32());
            Assert.False(e.TryGetProperty("utcoffset", out _)); // receivers would move the time by it
        });
        Assert.True(failed.GetProperty("clock").GetInt64() > received.GetProperty("clock").GetInt64());
        Assert.True(failed.GetProperty("timestamp").GetDouble() >= received.GetProperty("timestamp").GetDouble());
        Assert.Single(viewer.All.Where(e => e.Event.TryGetProperty("uuid", out var uuid) && uuid.GetString() == job.Id).Select(e => e.Message).Distinct());
    }

    [Fact]
    public async Task By_default_a_job_that_is_retried_is_told_to_its_end_and_the_success_of_another_is_only_counted()
    {
        var dispatcher = await StartAsync();
        await using var viewer = await Viewer.StartAsync(TransportOf(dispatcher));

        var job = await dispatcher.EnqueueAsync(ContractJobs.Flaky(1), TestContext.Current.CancellationToken);
        var plain = await dispatcher.EnqueueAsync(ContractJobs.Note("plain"), TestContext.Current.CancellationToken);
        await Wait.Until(() => Count(viewer, "contract.flaky", "succeeded") == 1 && Count(viewer, "contract.note", "succeeded") == 1);

        Assert.Equal(["task-received", "task-retried", "task-received", "task-started", "task-succeeded"], viewer.TypesOf(job.Id));
        Assert.Empty(viewer.TypesOf(plain.Id));
        Assert.Equal("TimeoutException('attempt 1')", viewer.OfJob(job.Id)[1].GetProperty("exception").GetString());
        var counts = Counts(viewer, "contract.flaky");
        string[] counted = ["received", "started", "succeeded", "failed", "retried", "expired"];
        Assert.Equal([2, 2, 1, 0, 1, 0], counted.Select(name => counts.GetProperty(name).GetInt64()));
        Assert.Equal(Queue, counts.GetProperty("queue").GetString());
        Assert.True(counts.GetProperty("runtime").GetDouble() > 0);
    }

    [Fact]
    public async Task An_expired_job_is_told_as_revoked_and_an_unknown_one_as_failed()
    {
        var dispatcher = await StartAsync();
        var transport = TransportOf(dispatcher);
        await using var viewer = await Viewer.StartAsync(transport);

        var late = TestMessage.Of(task: "contract.note", headers: [("expires", WireTime.Format(TimeProvider.System.GetUtcNow().AddMinutes(-1)))]);
        var unknown = TestMessage.Of(task: "contract.made.up", body: """[[1,"x"],{"k":null},{}]""");
        await transport.PublishAsync([new(Queue, late), new(Queue, unknown)], Wait.Deadline, TestContext.Current.CancellationToken);
        await Wait.Until(() => viewer.TypesOf(late.CorrelationId!).Length == 2 && viewer.TypesOf(unknown.CorrelationId!).Length == 2);

        Assert.Equal(["task-received", "task-revoked"], viewer.TypesOf(late.CorrelationId!));
        Assert.True(viewer.OfJob(late.CorrelationId!)[1].GetProperty("expired").GetBoolean());
        Assert.Equal(["task-received", "task-failed"], viewer.TypesOf(unknown.CorrelationId!));
        Assert.Equal(["contract.made.up", "(1, 'x')", "{'k': None}"], Texts(viewer.OfJob(unknown.CorrelationId!)[0], "name", "args", "kwargs"));
        Assert.StartsWith("NotRegistered(", viewer.OfJob(unknown.CorrelationId!)[1].GetProperty("exception").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_all_events_a_job_is_told_when_it_is_received_begins_and_ends()
    {
        var dispatcher = await StartAsync(configure: options => (options.Events, options.SendSentEvents) = (EventLevel.All, true));
        await using var viewer = await Viewer.StartAsync(TransportOf(dispatcher));

        var asked = await dispatcher.EnqueueAsync(ContractJobs.Add(1, 2) with { Result = true }, TestContext.Current.CancellationToken);
        var failing = await dispatcher.EnqueueAsync(ContractJobs.Fail("no"), TestContext.Current.CancellationToken);
        await Wait.Until(() => viewer.TypesOf(asked.Id).Length == 4 && viewer.TypesOf(failing.Id).Length == 4);

        Assert.Equal(["task-received", "task-started", "task-succeeded"], viewer.TypesOf(asked.Id).Where(type => type != "task-sent"));
        Assert.Equal(["task-received", "task-started", "task-failed"], viewer.TypesOf(failing.Id).Where(type => type != "task-sent"));
        var succeeded = viewer.OfJob(asked.Id).Single(e => Viewer.Type(e) == "task-succeeded");
        Assert.Equal("3", succeeded.GetProperty("result").GetString());
        Assert.True(succeeded.GetProperty("runtime").GetDouble() >= 0);
        var sent = viewer.OfJob(asked.Id).Single(e => Viewer.Type(e) == "task-sent");
        Assert.Equal(
            [$"jobs@{Environment.MachineName}", "contract.add", "(1, 2)", "{}", Queue, Queue, ""],
            Texts(sent, "hostname", "name", "args", "kwargs", "queue", "routing_key", "exchange"));
    }

    [Fact]
    public async Task While_a_viewer_asks_every_job_is_told()
    {
        var dispatcher = await StartAsync();
        await using var viewer = await Viewer.StartAsync(TransportOf(dispatcher));
        var unwatched = await dispatcher.EnqueueAsync(ContractJobs.Add(1, 2), TestContext.Current.CancellationToken);
        await Wait.Until(() => Count(viewer, "contract.add", "succeeded") == 1);

        string[] told = [];
        await Wait.Until(async () =>
        {
            viewer.Watch(TimeSpan.FromSeconds(10)); // the worker may not listen yet
            var job = await dispatcher.EnqueueAsync(ContractJobs.Add(3, 4), TestContext.Current.CancellationToken);
            await Wait.Until(() => Bench.Runs.Any(run => run.Id == job.Id));
            await Wait.Until(() => Count(viewer, "contract.add", "succeeded") == Bench.Runs.Count);
            told = viewer.TypesOf(job.Id);
            return told.Contains("task-succeeded");
        });

        Assert.Equal("task-succeeded", told[^1]);
        Assert.Empty(viewer.TypesOf(unwatched.Id));
    }

    [Fact]
    public async Task A_worker_says_that_it_comes_lives_and_goes_and_two_workers_have_two_names()
    {
        var watching = await StartAsync(worker: false, options => options.Events = EventLevel.Off);
        await using var viewer = await Viewer.StartAsync(TransportOf(watching));
        var first = await StartAsync();
        await Wait.Until(() => viewer.Of("worker-online").Length == 1); // workers do not wait for each other's events
        await StartAsync();
        await Wait.Until(() => viewer.Of("worker-heartbeat").Select(Name).Distinct().Count() == 2);
        await StopAsync(first);
        await Wait.Until(() => viewer.Of("worker-offline").Length == 1);

        var online = viewer.Of("worker-online");
        Assert.Equal(2, online.Select(Name).Distinct().Count());
        Assert.Equal(Name(online[0]), Name(viewer.Of("worker-offline")[0]));
        foreach (var one in online.Concat(viewer.Of("worker-heartbeat")))
        {
            Assert.Equal(2.0, one.GetProperty("freq").GetDouble());
            Assert.Equal(3, one.GetProperty("loadavg").EnumerateArray().Count(load => load.GetDouble() >= 0));
            Assert.Equal((0, 0, 4), (one.GetProperty("active").GetInt32(), one.GetProperty("processed").GetInt32(), one.GetProperty("slots").GetInt32()));
            Assert.Equal([Queue], one.GetProperty("queues").EnumerateArray().Select(queue => queue.GetString()));
            Assert.Equal("jobs", one.GetProperty("sw_ident").GetString());
            Assert.NotEqual("", one.GetProperty("sw_ver").GetString());
        }

        static string Name(JsonElement worker) => worker.GetProperty("hostname").GetString()!;
    }

    [Fact]
    public async Task A_host_whose_events_are_off_tells_nothing()
    {
        var dispatcher = await StartAsync(configure: options => options.Events = EventLevel.Off);
        var transport = TransportOf(dispatcher);
        await using var viewer = await Viewer.StartAsync(transport);
        await Assert.ThrowsAsync<JobFailedException>(() => dispatcher.CallAsync(ContractJobs.Fail("x"), Wait.Deadline, TestContext.Current.CancellationToken));
        await StopAsync(dispatcher, dispose: false);

        transport.Broadcast!.Send(new() { Topic = "test.end", Body = """{"type":"test-end"}"""u8.ToArray(), Sender = "tester" });
        await Wait.Until(() => viewer.Of("test-end").Length == 1);
        Assert.Single(viewer.All);
    }

    [Fact]
    public async Task A_viewer_that_reads_nothing_holds_up_no_job()
    {
        const int Many = 500;
        var dispatcher = await StartAsync(configure: options => options.Events = EventLevel.All);
        await using var stuck = await TransportOf(dispatcher).Broadcast!.ListenAsync("#", TestContext.Current.CancellationToken).Soon();

        await dispatcher.EnqueueManyAsync(Enumerable.Range(0, Many).Select(_ => ContractJobs.Add(1, 2)), TestContext.Current.CancellationToken).Soon();
        await Wait.Until(() => Bench.Runs.Count == Many);
    }

    JobTransport TransportOf(IJobDispatcher dispatcher) =>
        hosts.Single(host => host.Services.GetRequiredService<IJobDispatcher>() == dispatcher).Services.GetRequiredService<JobTransport>();

    static IEnumerable<string?> Texts(JsonElement of, params string[] names) => names.Select(name => of.GetProperty(name).GetString());

    static long Count(Viewer viewer, string task, string name) =>
        Counts(viewer, task) is { ValueKind: JsonValueKind.Object } counts ? counts.GetProperty(name).GetInt64() : 0;

    // The newest.
    static JsonElement Counts(Viewer viewer, string task) => viewer.Of("jobs-counts")
        .SelectMany(e => e.GetProperty("counts").EnumerateArray()).LastOrDefault(count => count.GetProperty("task").GetString() == task);
}
