using System.Text.Json;
using Jobs.Transport;
using Xunit;

namespace Jobs.Contracts;

/// <summary>What <see cref="JobInspector"/> tells of queues, of what runs and waits, and of the transport.</summary>
public abstract partial class HostContract
{
    /// <summary>What the guide's table of figures calls this transport.</summary>
    protected abstract string DocumentedAs { get; }

    [Fact]
    public async Task A_queue_shows_what_waits_runs_is_held_is_delayed_and_has_died()
    {
        var dispatcher = await StartAsync();
        await dispatcher.EnqueueAsync(ContractJobs.Fail("dies"));
        await LettersAsync(dispatcher, 1);
        for (var i = 0; i < 20; i++)
        {
            await dispatcher.EnqueueAsync(ContractJobs.Wait()); // four run, the prefetch holds four more
        }

        await dispatcher.EnqueueAsync(ContractJobs.Note("later") with { Delay = TimeSpan.FromHours(1) });
        QueueInfo? queue = null;
        await Wait.Until(async () => (queue = await QueueAsync(dispatcher)) is { Waiting: 12, Running: 4, Consumers: > 0, Dead: 1 });

        var can = Inspector(dispatcher).Capabilities;
        Assert.Equal((can.HasFlag(InspectionCapabilities.Held) ? 8 : null, can.HasFlag(InspectionCapabilities.DelayedByQueue) ? 1 : null), (queue!.Held, queue.Delayed));
        Assert.Equal(can.HasFlag(InspectionCapabilities.OldestAge), queue.OldestAge is not null);
        Assert.True(queue.OldestAge is null || queue.OldestAge < Wait.Deadline * 2, $"{queue.OldestAge}");
        Assert.DoesNotContain((await Inspector(dispatcher).QueuesAsync(TestContext.Current.CancellationToken)).Queues, other => other.Name == $"{Queue}.dead");
    }

    [Fact]
    public async Task A_queue_shows_how_many_jobs_come_and_go()
    {
        var dispatcher = await StartAsync();
        Assert.NotNull(await QueueAsync(dispatcher));

        await Wait.Until(async () =>
        {
            await dispatcher.EnqueueAsync(ContractJobs.Note("goes by"));
            return await QueueAsync(dispatcher) is { InRate: > 0, OutRate: > 0, Wait: not null };
        });
    }

    [Fact]
    public async Task What_workers_did_is_told_minute_by_minute_also_by_a_process_that_has_just_started()
    {
        var before = TimeProvider.System.GetUtcNow().AddMinutes(-1);
        var dispatcher = await StartAsync();
        await dispatcher.EnqueueAsync(ContractJobs.Note("one"));
        await dispatcher.EnqueueAsync(ContractJobs.Note("another"));
        await dispatcher.EnqueueAsync(ContractJobs.Fail("dies"));
        await Wait.Until(async () => await ToldAsync(dispatcher) is [("contract.fail", { Failed: 1 }), ("contract.note", { Succeeded: 2 })]);

        foreach (var asked in new[] { dispatcher, await StartAsync(worker: false) })
        {
            var told = await ToldAsync(asked);

            Assert.Equal(["contract.fail", "contract.note"], told.Select(one => one.Task));
            Assert.Equal((1, 0, 1, 0, 0), Figures(told[0].Sum));
            Assert.Equal((2, 2, 0, 0, 0), Figures(told[1].Sum));
            Assert.All(told, one => Assert.InRange(one.Sum.Runtime, TimeSpan.FromTicks(1), Wait.Deadline));
            var answer = await Inspector(asked).ThroughputAsync(TestContext.Current.CancellationToken);
            Assert.Null(answer.Problem);
            Assert.InRange(answer.KnownFrom!.Value, before, TimeProvider.System.GetUtcNow());
            Assert.InRange(answer.From, before.AddHours(-1), TimeProvider.System.GetUtcNow().AddMinutes(-59));
            Assert.All(answer.Tasks, task => Assert.Equal(60, task.Minutes.Count));
        }

        static (long, long, long, long, long) Figures(ThroughputMinute sum) => (sum.Started, sum.Succeeded, sum.Failed, sum.Retried, sum.Expired);
    }

    [Fact]
    public async Task A_worker_says_since_when_it_runs()
    {
        var before = TimeProvider.System.GetUtcNow().AddSeconds(-1);
        var dispatcher = await StartAsync();
        var after = TimeProvider.System.GetUtcNow();

        WorkerInfo? worker = null;
        await Wait.Until(async () =>
            (worker = (await Inspector(dispatcher).WorkersAsync(TestContext.Current.CancellationToken)).SingleOrDefault(one => one.Queues.Contains(Queue))) is { IsAlive: true });

        Assert.InRange(worker!.StartedAt!.Value, before, after);
    }

    [Fact]
    public async Task A_job_shows_the_trace_that_its_message_belongs_to_if_it_is_one()
    {
        const string Trace = "0af7651916cd43dd8448eb211c80319c";
        (string Parent, string? Trace)[] cases =
        [
            ($"00-{Trace}-b7ad6b7169203331-01", Trace), ($"00-{Trace}-b7ad6b7169203331-01-more", null),
            ("00-not-a-trace", null), ($"ff-{Trace}-b7ad6b7169203331-01", null), ($"00-{Trace.ToUpperInvariant()}-b7ad6b7169203331-01", null),
            ($"00-{new string('0', 32)}-b7ad6b7169203331-01", null), ($"00-{Trace}-{new string('0', 16)}-01", null), ("", null),
        ];
        var dispatcher = await StartAsync();
        var sent = cases.Select(one => (TestMessage.Of(task: "contract.made.up", headers: one.Parent.Length == 0 ? [] : [("traceparent", one.Parent)]), one.Trace)).ToList();
        await Transport(dispatcher).PublishAsync([.. sent.Select(one => new Outgoing(Queue, one.Item1))], Wait.Deadline, TestContext.Current.CancellationToken);

        foreach (var (message, trace) in sent)
        {
            JobInfo? job = null;
            await Wait.Until(async () => (job = await Inspector(dispatcher).GetJobAsync(message.CorrelationId!, TestContext.Current.CancellationToken)).State == JobState.Dead);
            Assert.Equal(("contract.made.up", trace), (job!.Task, job.TraceId));
        }
    }

    [Fact]
    public async Task A_job_that_failed_first_or_was_enqueued_by_a_person_is_known_to_have_succeeded_although_others_are_only_counted()
    {
        var dispatcher = await StartAsync();
        var plain = await dispatcher.EnqueueAsync(ContractJobs.Note("plain"));
        var watched = await Control(dispatcher).EnqueueAsync(ContractJobs.Note("watched"), TestContext.Current.CancellationToken);
        Bench.Broken = true;
        var back = await dispatcher.EnqueueAsync(ContractJobs.Broken("back"));
        await LettersAsync(dispatcher, 1);
        Bench.Broken = false;
        await Control(dispatcher).RetryDeadLettersAsync(new() { Ids = [back.Id] }, cancellationToken: TestContext.Current.CancellationToken);

        await SucceededAsync(watched.Id);
        await SucceededAsync(back.Id);

        Assert.Equal(JobState.Unknown, (await Inspector(dispatcher).GetJobAsync(plain.Id, TestContext.Current.CancellationToken)).State);

        Task SucceededAsync(string id) =>
            Wait.Until(async () => (await Inspector(dispatcher).GetJobAsync(id, TestContext.Current.CancellationToken)).State == JobState.Succeeded);
    }

    [Fact]
    public async Task Each_job_that_runs_is_listed_with_its_worker_and_since_when()
    {
        var before = TimeProvider.System.GetUtcNow();
        var dispatcher = await StartAsync();
        var id = await dispatcher.EnqueueAsync(ContractJobs.Wait());
        await Bench.Begun.Task.Soon();

        RunningJobInfo? job = null;
        await Wait.Until(async () => (job = (await Inspector(dispatcher).RunningAsync(TestContext.Current.CancellationToken)).SingleOrDefault(one => one.Id == id.Id)) is not null);

        Assert.Equal(("contract.wait", Queue), (job!.Task, job.Queue));
        Assert.InRange(job.StartedAt, before - TimeSpan.FromSeconds(2), TimeProvider.System.GetUtcNow()); // exact to a second
        var worker = (await Inspector(dispatcher).WorkersAsync(TestContext.Current.CancellationToken)).Single(one => one.Name == job.Worker);
        Assert.Equal(id.Id, Assert.Single(worker.Running).Id);
        Bench.Release.TrySetResult();
        await Wait.Until(async () => (await Inspector(dispatcher).RunningAsync(TestContext.Current.CancellationToken)).All(one => one.Id != id.Id));
    }

    [Fact]
    public async Task Delayed_jobs_are_counted_and_where_it_can_be_listed_page_by_page()
    {
        var dispatcher = await StartAsync();
        foreach (var hours in new[] { 3, 1, 2 })
        {
            await dispatcher.EnqueueAsync(ContractJobs.Note("later") with { Id = $"in {hours} hours", Delay = TimeSpan.FromHours(hours) });
        }

        DelayedPage? page = null;
        await Wait.Until(async () => (page = await Inspector(dispatcher).DelayedAsync(2, null, TestContext.Current.CancellationToken)).Total >= 3);
        if (!Inspector(dispatcher).Capabilities.HasFlag(InspectionCapabilities.DelayedJobs))
        {
            Assert.Empty(page!.Jobs);
            return;
        }

        Assert.Equal(["in 1 hours", "in 2 hours"], page!.Jobs.Select(job => job.Id));
        Assert.All(page.Jobs, job => Assert.Equal(("contract.note", Queue), (job.Task, job.Queue)));
        Assert.InRange(page.Jobs[0].DueAt - TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(55), TimeSpan.FromMinutes(61));
        var rest = await Inspector(dispatcher).DelayedAsync(2, page.Next, TestContext.Current.CancellationToken);
        Assert.Equal("in 3 hours", Assert.Single(rest.Jobs).Id);
        Assert.Null(rest.Next);
        await Assert.ThrowsAsync<ArgumentException>(() => Inspector(dispatcher).DelayedAsync(2, "nowhere", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task While_somebody_watches_workers_tell_of_every_job()
    {
        var dispatcher = await StartAsync();
        var inspector = Inspector(dispatcher);
        using (inspector.Watch())
        {
            await Wait.Until(async () =>
            {
                var id = await dispatcher.EnqueueAsync(ContractJobs.Note("watched"));
                await Wait.Until(() => Bench.Runs.Any(run => run.Id == id.Id));
                return (await inspector.SearchAsync(new() { Task = "contract.note", States = [JobState.Succeeded] }, TestContext.Current.CancellationToken)).Jobs.Count > 0;
            });
        }
    }

    [Fact]
    public async Task A_job_of_a_chain_shows_its_parent_its_children_and_the_whole_chain()
    {
        var dispatcher = await StartAsync(configure: options => options.Events = EventLevel.All);
        var inspector = Inspector(dispatcher);
        var last = await dispatcher.EnqueueAsync(ContractJobs.Headline("three short words").Then(ContractSteps.Words(2)));
        JobInfo? job = null;
        await Wait.Until(async () => (job = await inspector.GetJobAsync(last.Id, TestContext.Current.CancellationToken)).State == JobState.Succeeded);

        Assert.Equal(2, job!.Chain.Count);
        Assert.Equal([job.ParentId!, last.Id], job.Chain);
        var parent = await inspector.GetJobAsync(job.ParentId!, TestContext.Current.CancellationToken);
        Assert.Equal([last.Id], parent.Children);
        Assert.Equal(job.Chain, parent.Chain);
    }

    [Fact]
    public async Task A_success_that_events_only_count_is_known_where_results_are_kept_for_every_process()
    {
        var dispatcher = await StartAsync();
        var handle = await dispatcher.EnqueueAsync(ContractJobs.Add(1, 2) with { Result = true });
        Assert.Equal(3, await handle.GetResultAsync(Wait.Deadline));

        var job = await Inspector(dispatcher).GetJobAsync(handle.Id, TestContext.Current.CancellationToken);

        var isKept = Transport(dispatcher).Capabilities.HasFlag(TransportCapabilities.ResultsById);
        Assert.Equal(isKept ? (JobState.Succeeded, "3", true) : (JobState.Unknown, null, false), (job.State, job.Result, job.EndedAt is not null));
    }

    /// <summary>A transport knows exactly the figures that the table of the guide promises.</summary>
    [Fact]
    public async Task The_capabilities_are_those_of_the_documentation()
    {
        var dispatcher = await StartAsync(worker: false);
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Jobs.sln")))
        {
            folder = folder.Parent!;
        }

        var rows = (await File.ReadAllLinesAsync(Path.Combine(folder.FullName, "src", "Jobs", "OBSERVABILITY.md"), TestContext.Current.CancellationToken))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries)).ToList();
        var column = rows.Select(row => Array.IndexOf(row, DocumentedAs)).Single(place => place > 0);
        var promised = rows.Where(row => row.Length > column && Enum.TryParse<InspectionCapabilities>(row[^2].Trim('`'), out _)).ToList();

        Assert.Equal(Enum.GetValues<InspectionCapabilities>().Length - 1, promised.Select(row => row[^2]).Distinct().Count());
        Assert.All(promised, row => Assert.Equal(
            row[column] != "–", Inspector(dispatcher).Capabilities.HasFlag(Enum.Parse<InspectionCapabilities>(row[^2].Trim('`')))));
    }

    [Fact]
    public async Task The_transport_says_how_it_is()
    {
        var dispatcher = await StartAsync();

        var transport = await Inspector(dispatcher).TransportAsync(TestContext.Current.CancellationToken).Soon();

        Assert.Equal((Transport(dispatcher).MessagingSystem, true, null), (transport.Kind, transport.IsUp, transport.Problem));
        Assert.Equal(Inspector(dispatcher).Capabilities.HasFlag(InspectionCapabilities.Nodes), transport.Nodes.Count > 0);
    }

    [Fact]
    public async Task Every_answer_is_written_as_JSON_as_it_is()
    {
        var dispatcher = await StartAsync();
        var inspector = Inspector(dispatcher);
        var id = await dispatcher.EnqueueAsync(ContractJobs.Fail("is written"));
        await LettersAsync(dispatcher, 1);
        var stop = TestContext.Current.CancellationToken;

        object[] answers =
        [
            await inspector.GetJobAsync(id.Id, stop), await inspector.SearchAsync(new(), stop), await inspector.FailuresAsync(new(), stop),
            await inspector.ThroughputAsync(stop), await inspector.WorkersAsync(stop), await inspector.RunningAsync(stop), await inspector.QueuesAsync(stop), await inspector.DelayedAsync(10, null, stop),
            await inspector.SchedulesAsync(stop), await inspector.TransportAsync(stop), await inspector.DeadLettersAsync(new(), cancellationToken: stop),
            await inspector.DeadLetterGroupsAsync(new(), stop), inspector.Capabilities,
        ];

        Assert.All(answers, answer => Assert.NotEqual("{}", JsonSerializer.Serialize(answer, answer.GetType())));
    }

    /// <summary>What was done in this test's queue in the last hour.</summary>
    async Task<List<(string Task, ThroughputMinute Sum)>> ToldAsync(IJobDispatcher dispatcher) =>
    [
        .. (await Inspector(dispatcher).ThroughputAsync(TestContext.Current.CancellationToken).Soon()).Tasks.Where(one => one.Queue == Queue).Select(one => (one.Task, one.Minutes.Aggregate(
            (sum, minute) => new ThroughputMinute
            {
                Started = sum.Started + minute.Started,
                Succeeded = sum.Succeeded + minute.Succeeded,
                Failed = sum.Failed + minute.Failed,
                Retried = sum.Retried + minute.Retried,
                Expired = sum.Expired + minute.Expired,
                Runtime = sum.Runtime + minute.Runtime,
            }))),
    ];

    async Task<QueueInfo?> QueueAsync(IJobDispatcher dispatcher) =>
        (await Inspector(dispatcher).QueuesAsync(TestContext.Current.CancellationToken).Soon()).Queues.SingleOrDefault(queue => queue.Name == Queue);
}
