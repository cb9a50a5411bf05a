using System.Collections.Concurrent;
using System.Diagnostics;
using Jobs.Contracts;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>Listeners are the process's: these tests run alone.</summary>
[CollectionDefinition(nameof(TracingTests), DisableParallelization = true)]
[Collection(nameof(TracingTests))]
public sealed class TracingTests
{
    [Fact]
    public async Task Without_a_listener_the_callers_trace_still_travels_through_the_job_to_its_children()
    {
        IJobDispatcher dispatcher = null!;
        var child = TestTask.Returning("child");
        var parent = new TestTask("parent", (_, _) => dispatcher.EnqueueAsync(new Job("child") { Id = "child" }));
        await using var host = await JobsHost.StartAsync(parent, child);
        dispatcher = host.Dispatcher;
        using var request = new Activity("request").SetIdFormat(ActivityIdFormat.W3C).Start();
        request.TraceStateString = "vendor=1";
        await host.EnqueueAsync("parent", "parent");
        await host.AckedAsync("child");

        Assert.Equal(request.Id, host.Published("parent")[0].Message.Text(WireHeaders.TraceParent));
        Assert.Equal(request.Id, host.Published("child")[0].Message.Text(WireHeaders.TraceParent));
        Assert.Equal("vendor=1", host.Published("child")[0].Message.Text(WireHeaders.TraceState));
    }

    [Fact]
    public async Task Without_any_trace_no_header_is_sent()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        Activity.Current = null;
        await host.EnqueueAsync("ok", "j");
        Assert.Null(host.Published("j")[0].Message.Text(WireHeaders.TraceParent));
    }

    [Fact]
    public async Task A_job_that_runs_at_once_continues_its_senders_trace()
    {
        using var traces = new Traces();
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        await host.EnqueueAsync("ok", "at once");
        await host.AckedAsync("at once");

        var (send, process) = (await traces.OfAsync("send", "at once"), await traces.OfAsync("process", "at once"));
        Assert.Equal(ActivityKind.Producer, send.Kind);
        Assert.Equal(ActivityKind.Consumer, process.Kind);
        Assert.Equal(send.Id, host.Published("at once")[0].Message.Text(WireHeaders.TraceParent));
        Assert.Equal(send.TraceId, process.TraceId);
        Assert.Equal(send.SpanId, process.ParentSpanId);
        Assert.Equal("ok", process.GetTagItem("jobs.task"));
        Assert.Equal("jobs", process.GetTagItem("messaging.destination.name"));
    }

    [Fact]
    public async Task A_job_that_waited_begins_its_own_trace_and_links_to_its_sender()
    {
        using var traces = new Traces();
        using var startup = new Activity("startup").SetIdFormat(ActivityIdFormat.W3C).Start(); // what the host is started in is nobody's parent
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        startup.Stop();
        await host.EnqueueAsync(new Job("ok") { Id = "delayed", Delay = TimeSpan.FromMinutes(1) });
        host.Clock.Advance(TimeSpan.FromMinutes(1));
        await host.AckedAsync("delayed");

        var (send, process) = (await traces.OfAsync("send", "delayed"), await traces.OfAsync("process", "delayed"));
        Assert.NotEqual(send.TraceId, process.TraceId);
        Assert.Equal(default, process.ParentSpanId);
        Assert.Equal(send.Context.SpanId, Assert.Single(process.Links).Context.SpanId);
    }

    [Fact]
    public async Task A_failed_attempt_is_an_error_and_its_retry_links_to_the_sender()
    {
        using var traces = new Traces();
        await using var host = await JobsHost.StartAsync(TestTask.Throwing("fail", () => new RetryJobException(TimeSpan.FromSeconds(1), "later")));
        await host.EnqueueAsync("fail", "failing");
        await host.AckedAsync("failing");
        var first = await traces.OfAsync("process", "failing");
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        await host.AckedAsync("failing", 2);

        Assert.Equal((ActivityStatusCode.Error, "later"), (first.Status, first.StatusDescription));
        await Wait.Until(() => traces.Of("process", "failing").Count() == 2);
        Assert.Single(traces.Of("process", "failing").Last().Links);
    }

    [Fact]
    public async Task A_trace_header_that_is_no_trace_harms_nobody()
    {
        using var traces = new Traces();
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        await host.SendAsync(TestMessage.Of(id: "odd", task: "ok", headers: [("traceparent", "00-not-a-trace"), ("tracestate", "\0")]));
        await host.AckedAsync("odd");
        Assert.Equal(default, (await traces.OfAsync("process", "odd")).ParentSpanId);
    }

    sealed class Traces : IDisposable
    {
        readonly ConcurrentQueue<Activity> ended = new();
        readonly ActivityListener listener;

        public Traces()
        {
            listener = new()
            {
                ShouldListenTo = source => source.Name == "Jobs",
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = ended.Enqueue,
            };
            ActivitySource.AddActivityListener(listener);
        }

        public IEnumerable<Activity> Of(string operation, string id) =>
            ended.Where(a => a.GetTagItem("messaging.operation.name") as string == operation && a.GetTagItem("messaging.message.id") as string == id);

        public async Task<Activity> OfAsync(string operation, string id)
        {
            await Wait.Until(() => Of(operation, id).Any());
            return Of(operation, id).First();
        }

        public void Dispose() => listener.Dispose();
    }
}
