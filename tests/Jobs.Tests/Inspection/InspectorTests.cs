using System.Text.Json;
using Jobs.Contracts;
using Jobs.Inspection;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Jobs.Tests.Inspection.Events;

namespace Jobs.Tests.Inspection;

/// <summary>What users ask, over the in-memory transport.</summary>
public sealed class InspectorTests : IAsyncDisposable
{
    readonly InMemoryTransport transport = new(TimeProvider.System, options: new() { HistoryAge = TimeSpan.FromDays(3650) });
    readonly Inspector inspector;

    public InspectorTests() => inspector = new(transport, TimeProvider.System, NullLogger<Inspector>.Instance);

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await inspector.DisposeAsync();
        await transport.DisposeAsync();
    }

    [Fact]
    public async Task The_first_question_reads_what_is_there_and_later_ones_what_has_come_since()
    {
        await AppendAsync(Received(Id(1), 1), Started(Id(1), 2));
        var job = await inspector.GetJobAsync(Id(1), Stop).Soon();
        Assert.Equal((JobState.Running, null, Start.AddSeconds(1)), (job.State, job.Problem, job.SearchedBackTo));

        await AppendAsync(Failed(Id(1), 3));

        await Wait.Until(async () => (await inspector.GetJobAsync(Id(1), Stop)).State == JobState.Dead);
        Assert.Equal(Dotnet, (await inspector.GetJobAsync(Id(1), Stop)).Error!.Stack);
        Assert.Single((await inspector.FailuresAsync(new(), Stop)).Groups);
    }

    [Fact]
    public async Task A_job_that_nobody_knows_is_unknown_and_the_answer_says_how_far_it_looked()
    {
        Assert.Equal((JobState.Unknown, null), ((await inspector.GetJobAsync(Id(1), Stop).Soon()).State, (await inspector.GetJobAsync(Id(1), Stop)).Problem));
        await AppendAsync(Received(Id(100), 100));
        await Wait.Until(() => inspector.History.Jobs.Count == 1);

        var older = await inspector.GetJobAsync(Id(1), Stop).Soon();
        Assert.Equal((JobState.Unknown, Start.AddSeconds(1), Start.AddSeconds(1).AddMinutes(-1)), (older.State, older.EnqueuedAt, older.SearchedBackTo));
        var other = await inspector.GetJobAsync("another", Stop).Soon();
        Assert.Equal((JobState.Unknown, Start.AddSeconds(100)), (other.State, other.SearchedBackTo));
        Assert.Contains("100,000", other.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Batches_of_prefork_workers_are_read_and_what_is_no_event_is_counted()
    {
        await transport.History.AppendAsync([Batch(Received(Id(1), 1), Started(Id(1), 2)), Bytes("nonsense"), Batch(Succeeded(Id(1), 3))], Stop);

        Assert.Equal(JobState.Succeeded, (await inspector.GetJobAsync(Id(1), Stop).Soon()).State);
        Assert.Equal(1, inspector.History.Unreadable);
    }

    [Fact]
    public async Task Workers_that_are_read_from_an_old_history_do_not_live()
    {
        var now = TimeProvider.System.GetUtcNow();
        var anHourAgo = (now - Start).TotalSeconds - 3600;
        await AppendAsync(Of("worker-online", anHourAgo, "\"freq\":2.0"), Of("worker-online", anHourAgo, "\"freq\":2.0", "jobs@two"));
        var workers = await inspector.WorkersAsync(Stop).Soon();
        Assert.Equal([("jobs@one", false), ("jobs@two", false)], workers.Select(worker => (worker.Name, worker.IsAlive)));

        inspector.History.Hear(Bytes(Of("worker-heartbeat", (now - Start).TotalSeconds, "\"freq\":60,\"active\":2", "jobs@two")).Span);

        var alive = Assert.Single(await inspector.WorkersAsync(Stop), worker => worker.IsAlive);
        Assert.Equal(("jobs@two", 2), (alive.Name, alive.Active!.Value));
    }

    [Fact]
    public async Task A_transport_without_a_history_says_so()
    {
        await using var none = new Inspector(new NoHistory(), TimeProvider.System, NullLogger<Inspector>.Instance);
        await Assert.ThrowsAsync<NotSupportedException>(() => none.SearchAsync(new(), Stop));
    }

    [Fact]
    public async Task A_query_that_makes_no_sense_is_refused()
    {
        foreach (var query in new JobQuery[] { new() { PageSize = 0 }, new() { PageSize = 1001 }, new() { Timeout = TimeSpan.Zero }, new() { Cursor = "x" } })
        {
            await Assert.ThrowsAnyAsync<ArgumentException>(() => inspector.SearchAsync(query, Stop));
        }

        await Assert.ThrowsAsync<ArgumentException>(() => inspector.GetJobAsync("", Stop));
    }

    [Fact]
    public async Task AddJobs_gives_the_inspector_and_a_closed_one_answers_no_more()
    {
        var services = new ServiceCollection();
        services.AddJobs(jobs => jobs.UseInMemory());
        var provider = services.BuildServiceProvider();
        var given = provider.GetRequiredService<JobInspector>();
        Assert.Empty((await given.SearchAsync(new(), Stop).Soon()).Jobs);
        Assert.Empty(await given.WorkersAsync(Stop));

        await provider.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => given.WorkersAsync(Stop));
    }

    [Fact]
    public async Task Every_answer_is_the_same_after_a_round_trip_as_json()
    {
        await AppendAsync(
            Received(Id(1), 1), Retried(Id(1), 2), Received(Id(1), 3, retries: 1, root: Id(0), parent: Id(0)), Started(Id(1), 4), Failed(Id(1), 5.25),
            Received(Id(0), 0), Succeeded(Id(0), 1, runtime: 0.125),
            Of("worker-online", (TimeProvider.System.GetUtcNow() - Start).TotalSeconds, """ "freq":2.0,"active":3,"processed":70,"loadavg":[1,2,3],"queues":["news"],"slots":8 """));
        var page = await inspector.SearchAsync(new(), Stop).Soon();
        var query = new JobQuery { Task = "t*", States = [JobState.Dead, JobState.Expired], From = Start, PageSize = 7, Timeout = TimeSpan.FromSeconds(3) };

        Same(page, InspectionJson.Default.JobPage);
        Same(page.Jobs[0], InspectionJson.Default.JobInfo);
        Same(await inspector.FailuresAsync(new(), Stop), InspectionJson.Default.FailurePage);
        Same(await inspector.WorkersAsync(Stop), InspectionJson.Default.IReadOnlyListWorkerInfo);
        Same(query, InspectionJson.Default.JobQuery);
        Assert.Equal(2, page.Jobs.Count);
        Assert.Equal(JsonSerializer.Serialize(page), JsonSerializer.Serialize(JsonSerializer.Deserialize<JobPage>(JsonSerializer.Serialize(page)))); // as a user would
        Assert.Contains("\"state\":\"Dead\"", JsonSerializer.Serialize(page, InspectionJson.Default.JobPage), StringComparison.Ordinal);

        static void Same<T>(T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        {
            var text = JsonSerializer.Serialize(value, type);
            Assert.True(text.Length > 20, text);
            Assert.Equal(text, JsonSerializer.Serialize(JsonSerializer.Deserialize(text, type)!, type));
        }
    }

    async Task AppendAsync(params string[] events) => await transport.History.AppendAsync([.. events.Select(Bytes)], Stop);

    sealed class NoHistory : JobTransport
    {
        public override TransportCapabilities Capabilities => TransportCapabilities.None;

        public override ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task<long> CountAsync(string queue, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override JobJournal OpenJournal(string name) => throw new NotSupportedException();

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
