using System.Text;
using Jobs.Contracts;
using Jobs.Tests.Working;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Dispatching;

/// <summary>From a job to what is published.</summary>
public sealed class EnqueueTests
{
    [Fact]
    public async Task A_job_by_name_has_Celerys_body_and_only_the_headers_that_are_set()
    {
        await using var host = JobsHost.Create(_ => { });
        var job = new Job<int>("tasks.add", [2, "zwei", null, 2.5, true, new object?[] { 1L }], new Dictionary<string, object?> { ["by"] = "äöü", ["at"] = new Dictionary<string, object?> { ["x"] = 1 } });
        var handle = await host.Dispatcher.EnqueueAsync(job, TestContext.Current.CancellationToken);

        var (queue, message) = Only(host, handle.Id);
        Assert.Equal("jobs", queue);
        Assert.Equal(
            """[[2,"zwei",null,2.5,true,[1]],{"by":"äöü","at":{"x":1}},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]""",
            Encoding.UTF8.GetString(message.Body.Span));
        Assert.Equal([$"id = {handle.Id}", "task = tasks.add"], message.Lines());
        Assert.Equal(("application/json", "utf-8", handle.Id, null, null), (message.ContentType, message.ContentEncoding, message.CorrelationId, message.ReplyTo, message.Priority));
        Assert.Equal(host.Clock.GetUtcNow().ToUnixTimeSeconds(), message.Timestamp);
    }

    [Fact]
    public async Task Ids_are_version_7_UUIDs_of_the_hosts_clock_unless_they_are_given()
    {
        await using var host = JobsHost.Create(_ => { });
        var first = await host.EnqueueAsync("t");
        host.Clock.Advance(TimeSpan.FromMilliseconds(5));
        var second = await host.EnqueueAsync("t");

        Assert.Equal(7, Guid.Parse(first.Id).Version);
        Assert.True(string.CompareOrdinal(first.Id, second.Id) < 0); // they sort by time
        Assert.Equal(host.Clock.GetUtcNow().ToUnixTimeMilliseconds(), Convert.ToInt64(second.Id[..8] + second.Id[9..13], 16));
        Assert.Equal("my own", (await host.EnqueueAsync("t", "my own")).Id);
    }

    [Fact]
    public async Task Messages_of_one_chosen_id_are_told_apart_by_a_stamp_that_made_ids_do_without()
    {
        await using var host = JobsHost.Create(_ => { });
        await host.EnqueueAsync("t", "chosen");
        await host.EnqueueAsync("t", "chosen");
        var made = await host.EnqueueAsync("t");

        var stamps = host.Published("chosen").Select(p => Assert.IsType<int>(p.Message.Headers[WireHeaders.Copy])).ToArray();
        Assert.Equal(2, stamps.Distinct().Count());
        Assert.False(Only(host, made.Id).Message.Headers.ContainsKey(WireHeaders.Copy));
    }

    [Fact]
    public async Task The_calls_options_go_before_the_tasks_and_those_before_the_hosts()
    {
        var task = new TestTask("set", (_, _) => Task.CompletedTask) { Queue = "task.queue", Priority = 3, Expires = TimeSpan.FromMinutes(3) };
        var bare = TestTask.Returning("bare");
        await using var host = JobsHost.Create(jobs => jobs.AddTask(task).AddTask(bare).Configure(o => o.DefaultQueue = "host.queue"));

        await host.EnqueueAsync(new Job("bare") { Id = "host" });
        await host.EnqueueAsync(new Job("set") { Id = "by name" });
        await host.EnqueueAsync(new Job(task, JobArguments.None) { Id = "typed" });
        await host.EnqueueAsync(new Job(task, JobArguments.None) { Id = "call", Queue = "call.queue", Priority = 0, Expires = TimeSpan.FromMinutes(1) });
        await host.EnqueueAsync(new Job("elsewhere") { Id = "unknown" });

        Assert.Equal(("host.queue", null, null), Options("host"));
        Assert.Equal(("task.queue", (byte?)3, "2030-01-01T00:03:00.000000+00:00"), Options("by name"));
        Assert.Equal(Options("by name"), Options("typed"));
        Assert.Equal(("call.queue", (byte?)0, "2030-01-01T00:01:00.000000+00:00"), Options("call"));
        Assert.Equal(("host.queue", null, null), Options("unknown"));

        (string, byte?, string?) Options(string id)
        {
            var (queue, message) = Only(host, id);
            return (queue, message.Priority, message.Text(WireHeaders.Expires));
        }
    }

    [Fact]
    public async Task Delay_and_eta_say_the_same_and_go_to_the_transport()
    {
        await using var host = JobsHost.Create(_ => { });
        await host.EnqueueAsync(new Job("t") { Id = "delay", Delay = TimeSpan.FromMinutes(1) });
        await host.EnqueueAsync(new Job("t") { Id = "eta", Eta = host.Clock.GetUtcNow().AddMinutes(1).ToOffset(TimeSpan.FromHours(5)) });
        await host.EnqueueAsync(new Job("t") { Id = "past", Eta = host.Clock.GetUtcNow().AddMinutes(-1) });
        await host.EnqueueAsync(new Job("t") { Id = "zero", Delay = TimeSpan.Zero });

        foreach (var id in new[] { "delay", "eta" })
        {
            Assert.Equal(TimeSpan.FromMinutes(1), Assert.Single(host.Published(id)).Delay);
            Assert.Equal("2030-01-01T00:01:00.000000+00:00", Only(host, id).Message.Text(WireHeaders.Eta));
        }

        Assert.Equal(TimeSpan.Zero, Assert.Single(host.Published("past")).Delay);
        Assert.Equal(TimeSpan.Zero, Assert.Single(host.Published("zero")).Delay);
    }

    [Fact]
    public async Task Own_headers_travel_in_every_type_that_Python_reads()
    {
        await using var host = JobsHost.Create(_ => { });
        await host.EnqueueAsync(new Job("t") { Id = "j", Headers = new Dictionary<string, object?> { ["s"] = "x", ["b"] = true, ["i"] = 1, ["d"] = 0.5, ["n"] = null } });
        Assert.Equal(["b = Boolean True", "d = Double 0.5", "i = Int32 1", "n = null", "s = x"], Only(host, "j").Message.Lines(without: ["task", "id"]));
    }

    [Fact]
    public async Task The_hosts_deadline_goes_to_the_transport()
    {
        await using var host = JobsHost.Create(jobs => jobs.Configure(o => o.EnqueueTimeout = TimeSpan.FromSeconds(3)));
        await host.EnqueueAsync("t", "j");
        Assert.Equal(TimeSpan.FromSeconds(3), Assert.Single(host.Published("j")).Timeout);
    }

    public static TheoryData<string, string> Mistakes { get; } = new()
    {
        { "delay and eta", "both Delay (00:00:01) and Eta" },
        { "negative delay", "Delay of -00:00:01" },
        { "endless delay", $"Delay of {TimeSpan.MaxValue}" },
        { "endless eta", "Eta of 9999-" },
        { "empty id", "the id ''" },
        { "long id", new string('ä', 128) },
        { "queue", "the queue 'amq.mine'" },
        { "empty queue", "the queue ''" },
        { "priority", "priority 10" },
        { "expires", "expires after 00:00:00" },
        { "endless expires", $"expires after {TimeSpan.MaxValue}" },
        { "header name", "header 'retries'" },
        { "our header", "header 'x-jobs-mine'" },
        { "empty header", "header ''" },
        { "header type", "header 'mine' of type Int64" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public async Task A_mistake_is_named_with_its_value_and_nothing_is_published(string mistake, string message)
    {
        await using var host = JobsHost.Create(_ => { });
        var job = new Job("t");
        job = mistake switch
        {
            "delay and eta" => job with { Delay = TimeSpan.FromSeconds(1), Eta = host.Clock.GetUtcNow() },
            "negative delay" => job with { Delay = TimeSpan.FromSeconds(-1) },
            "endless delay" => job with { Delay = TimeSpan.MaxValue },
            "endless eta" => job with { Eta = DateTimeOffset.MaxValue },
            "empty id" => job with { Id = "" },
            "long id" => job with { Id = new string('ä', 128) },
            "queue" => job with { Queue = "amq.mine" },
            "empty queue" => job with { Queue = "" },
            "priority" => job with { Priority = 10 },
            "expires" => job with { Expires = TimeSpan.Zero },
            "endless expires" => job with { Expires = TimeSpan.MaxValue },
            "header name" => job with { Headers = Header("retries", 1) },
            "our header" => job with { Headers = Header("x-jobs-mine", 1) },
            "empty header" => job with { Headers = Header("", 1) },
            _ => job with { Headers = Header("mine", 1L) },
        };

        var thrown = await Assert.ThrowsAnyAsync<ArgumentException>(() => host.EnqueueAsync(job));
        Assert.Contains(message, thrown.Message, StringComparison.Ordinal);
        Assert.Contains("'t'", thrown.Message, StringComparison.Ordinal);
        Assert.Empty(host.Transport.Published);

        static Dictionary<string, object?> Header(string name, object? value) => new() { [name] = value };
    }

    [Fact]
    public async Task A_cancelled_enqueue_is_cancelled()
    {
        await using var host = JobsHost.Create(_ => { });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => host.Dispatcher.EnqueueAsync(new Job("t"), new CancellationToken(canceled: true)));
        Assert.Empty(host.Transport.Published);
    }

    [Fact]
    public async Task Arguments_that_cannot_be_written_leave_the_next_job_unharmed()
    {
        await using var host = JobsHost.Create(_ => { });
        await Assert.ThrowsAsync<ArgumentException>(() => host.EnqueueAsync(new Job("t", [1, typeof(int)])));
        await host.EnqueueAsync(new Job("t", [new string('x', 200_000)]));
        await host.EnqueueAsync(new Job("t", [7]) { Id = "next" });
        Assert.StartsWith("[[7],{},{", Encoding.UTF8.GetString(Only(host, "next").Message.Body.Span), StringComparison.Ordinal);
    }

    static (string Queue, JobMessage Message) Only(JobsHost host, string id)
    {
        var published = Assert.Single(host.Published(id));
        return (published.Queue, published.Message);
    }
}
