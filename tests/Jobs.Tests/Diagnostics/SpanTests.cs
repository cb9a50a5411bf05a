using System.Diagnostics;
using Jobs.Contracts;
using Jobs.Tests.Working;
using Jobs.Wire;
using OpenTelemetry;
using OpenTelemetry.Trace;
using Xunit;

namespace Jobs.Tests.Diagnostics;

/// <summary>What an OpenTelemetry exporter would send of the source <c>Jobs</c>. Whose child a span is: <see cref="TracingTests"/>.</summary>
[Collection(nameof(TracingTests))]
public sealed class SpanTests : IDisposable
{
    readonly List<Activity> exported = [];
    readonly TracerProvider provider;

    public SpanTests() => provider = Sdk.CreateTracerProviderBuilder().AddSource("Jobs").AddInMemoryExporter(exported).Build();

    public void Dispose() => provider.Dispose();

    [Fact]
    public async Task A_job_has_a_send_and_a_process_span_with_the_tags_of_the_messaging_conventions()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("span.ok"));
        await host.EnqueueAsync("span.ok", "tagged");
        await host.AckedAsync("tagged");

        var (send, process) = (await SpanAsync("send", "tagged"), await SpanAsync("process", "tagged"));
        Assert.Equal(("send jobs", ActivityKind.Producer), (send.DisplayName, send.Kind));
        Assert.Equal(("process jobs", ActivityKind.Consumer), (process.DisplayName, process.Kind));
        var both = new Dictionary<string, object?>
        {
            ["messaging.system"] = "in_memory",
            ["messaging.destination.name"] = "jobs",
            ["messaging.message.id"] = "tagged",
            ["messaging.message.conversation_id"] = "tagged",
            ["messaging.message.body.size"] = host.Published("tagged")[0].Message.Body.Length,
            ["jobs.task"] = "span.ok",
        };
        Equal(new(both) { ["messaging.operation.name"] = "send", ["messaging.operation.type"] = "send" }, send);
        Equal(new(both) { ["messaging.operation.name"] = "process", ["messaging.operation.type"] = "process", ["jobs.attempt"] = 1 }, process);
    }

    [Fact]
    public async Task The_conversation_of_a_job_is_the_first_job_of_its_tree()
    {
        IJobDispatcher dispatcher = null!;
        var parent = new TestTask("span.parent", (_, _) => dispatcher.EnqueueAsync(new Job("span.child") { Id = "child" }));
        await using var host = await JobsHost.StartAsync(parent, TestTask.Returning("span.child"));
        dispatcher = host.Dispatcher;
        await host.EnqueueAsync("span.parent", "root");
        await host.AckedAsync("child");
        Assert.Equal("root", (await SpanAsync("send", "child")).GetTagItem("messaging.message.conversation_id"));
        Assert.Equal("root", (await SpanAsync("process", "child")).GetTagItem("messaging.message.conversation_id"));
    }

    [Fact]
    public async Task A_job_that_follows_another_has_no_send_span_and_is_a_child_of_the_run_that_it_follows()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("span.ok"));
        var chain = (new Job("span.ok") { Id = "first" }).Then(new Job("span.ok") { Id = "second" });
        await host.Dispatcher.EnqueueAsync(chain, TestContext.Current.CancellationToken);
        await host.AckedAsync("second");

        var (first, second) = (await SpanAsync("process", "first"), await SpanAsync("process", "second"));
        Assert.Equal((first.TraceId, first.SpanId), (second.TraceId, second.ParentSpanId));
        Assert.Equal("first", second.GetTagItem("messaging.message.conversation_id"));
        Assert.Single(exported.ToArray(), a => a.OperationName == "send jobs" && a.TraceId == first.TraceId);
    }

    [Fact]
    public async Task A_failed_enqueue_and_a_failed_run_are_errors_of_their_type()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Throwing("span.fail", () => new DeadJobException("no")));
        await host.EnqueueAsync("span.fail", "failed");
        await host.AckedAsync("failed");
        host.Transport.Fault = (_, _, _) => new JobPublishException("lost", maybeEnqueued: true, isTransient: true, "broken");
        await Assert.ThrowsAsync<JobPublishException>(() => host.EnqueueAsync("span.fail", "lost"));

        var (send, process) = (await SpanAsync("send", "lost"), await SpanAsync("process", "failed"));
        Assert.Equal((ActivityStatusCode.Error, "broken", "maybe_enqueued"), (send.Status, send.StatusDescription, send.GetTagItem("error.type")));
        Assert.Equal((ActivityStatusCode.Error, "no", "Jobs.DeadJobException"), (process.Status, process.StatusDescription, process.GetTagItem("error.type")));
    }

    [Fact]
    public async Task A_scheduled_job_begins_its_own_trace_and_links_to_the_beats_send_which_is_in_no_trace_either()
    {
        using var startup = new Activity("startup").SetIdFormat(ActivityIdFormat.W3C).Start(); // the beat's loop inherits it
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddSchedule("span.tick", TimeSpan.FromSeconds(10), new Job("span.ok")).AddBeat(), TestTask.Returning("span.ok"));
        await host.AdvanceUntil(() => exported.ToArray().Any(a => a.OperationName == "process jobs"), TimeSpan.FromSeconds(2));

        var process = exported.ToArray().First(a => a.OperationName == "process jobs");
        var send = await SpanAsync("send", (string)process.GetTagItem("messaging.message.id")!);
        Assert.Equal(default, send.ParentSpanId);
        Assert.NotEqual(startup.TraceId, send.TraceId);
        Assert.Equal(default, process.ParentSpanId);
        Assert.NotEqual(send.TraceId, process.TraceId);
        Assert.Equal(send.SpanId, Assert.Single(process.Links).Context.SpanId);
        Assert.Equal("span.tick", host.Published((string)process.GetTagItem("messaging.message.id")!)[0].Message.Text(WireHeaders.Schedule));
        Assert.Same(startup, Activity.Current); // nobody else's trace was ended for it
    }

    [Fact]
    public async Task A_users_id_that_looks_like_a_schedules_keeps_its_trace()
    {
        const string Id = "news@20260301T120500Z";
        using var request = new Activity("request").SetIdFormat(ActivityIdFormat.W3C).Start();
        request.ActivityTraceFlags = ActivityTraceFlags.Recorded; // else the sampler drops its children
        await using var host = await JobsHost.StartAsync(TestTask.Returning("span.ok"));
        await host.EnqueueAsync("span.ok", Id);
        await host.AckedAsync(Id);

        var (send, process) = (await SpanAsync("send", Id), await SpanAsync("process", Id));
        Assert.Equal(request.SpanId, send.ParentSpanId);
        Assert.Equal(send.SpanId, process.ParentSpanId);
        Assert.Null(host.Published(Id)[0].Message.Text(WireHeaders.Schedule));
    }

    [Fact]
    public async Task Each_of_many_jobs_has_a_span_of_its_own_under_the_callers()
    {
        using var request = new Activity("request").SetIdFormat(ActivityIdFormat.W3C).Start();
        request.ActivityTraceFlags = ActivityTraceFlags.Recorded; // else the sampler drops its children
        await using var host = JobsHost.Create(_ => { });
        await host.Dispatcher.EnqueueManyAsync((Job[])[new("span.many") { Id = "one" }, new("span.many") { Id = "two" }], TestContext.Current.CancellationToken);

        foreach (var id in new[] { "one", "two" })
        {
            var send = await SpanAsync("send", id);
            Assert.Equal(request.SpanId, send.ParentSpanId);
            Assert.Equal(send.Id, host.Published(id)[0].Message.Text(WireHeaders.TraceParent));
        }

        Assert.Same(request, Activity.Current);
    }

    static void Equal(Dictionary<string, object?> expected, Activity span) =>
        Assert.Equal(expected.OrderBy(t => t.Key, StringComparer.Ordinal), span.TagObjects.OrderBy(t => t.Key, StringComparer.Ordinal));

    async Task<Activity> SpanAsync(string operation, string id)
    {
        Activity? Find() => exported.ToArray().FirstOrDefault(a => a.GetTagItem("messaging.operation.name") as string == operation && a.GetTagItem("messaging.message.id") as string == id);
        await Wait.Until(() => Find() is not null);
        return Find()!;
    }
}
