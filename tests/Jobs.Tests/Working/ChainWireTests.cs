using System.Text;
using System.Text.Json;
using Jobs.Contracts;
using Jobs.Transport;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>The messages of chains, callbacks and errbacks, byte by byte: what Celery sends and reads.</summary>
public sealed class ChainWireTests
{
    /// <summary>celery-protocol §4.3: the message of chain(add(2, 2), add(4), add(8)), captured.</summary>
    [Fact]
    public async Task A_chain_of_Celery_goes_on_as_Celery_would_send_it()
    {
        await using var host = await JobsHost.StartAsync(Echo("tasks.add"));
        await host.SendAsync(TestMessage.Of(id: "a", task: "tasks.add", body: """
            [[], {}, {"callbacks":null,"errbacks":[{"task":"py.oops","args":[],"kwargs":{},"options":{},"subtask_type":null,"immutable":false}],"chord":null,"mark":7,"chain":[
               {"task":"tasks.add","args":[8],"kwargs":{},"options":{"task_id":"c","reply_to":"me"},"subtask_type":null,"immutable":false},
               {"task":"py.add","args":[4],"kwargs":{"x":1},"options":{"task_id":"b","reply_to":"me","queue":"celery","priority":3,"group_id":"g","expires":60,
                 "time_limit":9,"stamped_headers":["order"],"order":"42","headers":{"tenant":"t"}},"subtask_type":null,"immutable":false} ]}]
            """));
        await host.AckedAsync("a");

        var link = Assert.Single(host.Transport.Published, p => p.Message.CorrelationId == "b");

        Assert.Equal(("celery", "me", (byte?)3), (link.Queue, link.Message.ReplyTo, link.Message.Priority));
        Assert.Equal(("py.add", "b", "a", "a", "g", "t"), (
            link.Message.Headers.Task, link.Message.Headers.Id, link.Message.Headers.RootId, link.Message.Headers.ParentId,
            link.Message.Headers["group"], link.Message.Headers["tenant"]));
        Assert.Equal(host.Clock.GetUtcNow().AddSeconds(60), link.Message.Headers.Expires);
        Assert.Equal([9.0, null], (List<object?>)link.Message.Headers["timelimit"]!);
        Assert.Equal("42", ((Dictionary<string, object?>)link.Message.Headers["stamps"]!)["order"]);
        AssertBody("""
            [[null,4],{"x":1},{"callbacks":null,"errbacks":null,"chain":[
              {"task":"tasks.add","args":[8],"kwargs":{},"options":{"task_id":"c","reply_to":"me"},"subtask_type":null,"immutable":false}],"chord":null,"mark":7}]
            """, link.Message);
    }

    [Fact]
    public async Task A_chain_of_ours_is_written_as_Celery_writes_it()
    {
        await using var host = await JobsHost.StartAsync();
        var failed = new Step<string>("py.oops");
        var chain = (new Job<int>("t.one", [1]) with { Id = "first", Queue = "one" })
            .Then(new Step<int, int>("t.two", [2]) with { Id = "second", Queue = "two", Priority = 4, Delay = TimeSpan.FromSeconds(90) })
            .Then(new Job("t.three") with { Id = "third", Queue = "three", Expires = TimeSpan.FromMinutes(1) })
            .OnFailure(failed);

        await host.Dispatcher.EnqueueAsync(chain with { Result = true }, TestContext.Current.CancellationToken);

        var sent = Assert.Single(host.Transport.Published).Message;
        var oops = (string of) => $$"""{"task":"py.oops","args":[],"kwargs":{},"options":{"task_id":"{{DerivedId.Of(of, "errback", 0)}}","queue":"jobs"},"subtask_type":null,"immutable":false}""";
        Assert.Null(sent.ReplyTo); // the caller waits for the last link
        AssertBody($$"""
            [[1],{},{"callbacks":null,"errbacks":[{{oops("first")}}],"chain":[
              {"task":"t.three","args":[],"kwargs":{},"options":{"task_id":"third","queue":"three","reply_to":"jobs.results","expires":60,"link":null,"link_error":[{{oops("third")}}]},"subtask_type":null,"immutable":true},
              {"task":"t.two","args":[2],"kwargs":{},"options":{"task_id":"second","queue":"two","priority":4,"countdown":90,"link":null,"link_error":[{{oops("second")}}]},"subtask_type":null,"immutable":false}],
             "chord":null}]
            """, sent);
    }

    /// <summary>celery #10171: there the message grows with the square of the length.</summary>
    [Fact]
    public async Task A_chain_of_twice_as_many_jobs_is_about_twice_as_long_and_each_message_is_shorter_than_the_one_before()
    {
        await using var host = await JobsHost.StartAsync(new TestTask("t", (_, _) => Task.CompletedTask));
        await host.Dispatcher.EnqueueAsync(Of(100), TestContext.Current.CancellationToken);
        var alone = Assert.Single(host.Transport.Published, p => p.Message.CorrelationId == "of 100").Message.Body.Length;
        await host.Dispatcher.EnqueueAsync(Of(200), TestContext.Current.CancellationToken);
        await Wait.Until(() => host.Transport.Published.Count == 300);

        var twice = Assert.Single(host.Transport.Published, p => p.Message.CorrelationId == "of 200").Message.Body.Length;
        Assert.InRange((double)twice / alone, 1.9, 2.1);
        var lengths = host.Transport.Published.Where(p => p.Message.Headers.RootId == "of 200").OrderBy(p => p.Number).Select(p => p.Message.Body.Length).ToArray();
        Assert.Equal(199, lengths.Length);
        Assert.Equal(lengths.OrderDescending(), lengths);

        static Chain Of(int length) => Enumerable.Range(2, length - 2).Aggregate(
            (new Job("t") with { Id = $"of {length}" }).Then(new Job("t")), (chain, _) => chain.Then(new Job("t")));
    }

    [Fact]
    public async Task A_link_whose_queue_nobody_knows_is_a_dead_letter_of_its_own()
    {
        var task = Echo("t");
        await using var host = await JobsHost.StartAsync(task);
        await host.SendAsync(TestMessage.Of(id: "a", task: "t", body: """[[],{},{"chain":[{"task":"py.last","options":{"task_id":"c","reply_to":"me"}},{"task":"py.next","args":[1],"options":{"task_id":"b"}}]}]"""));

        var letter = await host.DeadLetterAsync();

        Assert.Equal(("b", "py.next"), (letter.CorrelationId, letter.Headers.Task));
        Assert.Contains("Jobs:Routes", letter.Text(WireHeaders.DeadReason), StringComparison.Ordinal);
        await host.AckedAsync("a");
        Assert.Equal(1, task.Runs);
        var told = Assert.Single(host.Transport.Published, p => p.Queue == "me");
        Assert.Equal(("c", JobState.Dead), (told.Message.CorrelationId, ResultMessage.Read(told.Message.Body).State));
    }

    [Fact]
    public async Task A_route_says_where_the_tasks_of_another_program_are()
    {
        await using var host = await JobsHost.StartAsync(
            jobs => jobs.Configure(options => (options.Routes["py.*"], options.Routes["py.slow.*"], options.Routes["py.slow.one"]) = ("celery", "slow", "one")), Echo("t"));
        await host.SendAsync(TestMessage.Of(id: "a", task: "t", body: """[[],{},{"callbacks":[{"task":"py.x"},{"task":"py.slow.x"},{"task":"py.slow.one"}]}]"""));
        await host.AckedAsync("a");
        await host.Dispatcher.EnqueueAsync(new Job("py.y"), TestContext.Current.CancellationToken);

        Assert.Equal(["celery", "slow", "one", "celery"], host.Transport.Published.Select(p => p.Queue));
    }

    [Fact]
    public async Task A_link_that_the_transport_refuses_for_good_is_a_dead_letter_and_its_job_is_not_run_again()
    {
        var task = Echo("t");
        await using var host = await JobsHost.StartAsync(task);
        host.Transport.Fault = (step, queue, message) => step == FaultStep.Publish && (queue == "far" || (message.CorrelationId == "b" && message.Body.Length > 40))
            ? new JobPublishException(message.CorrelationId!, maybeEnqueued: false, isTransient: false, "too large")
            : null;
        await host.SendAsync(TestMessage.Of(id: "a", task: "t", body: """[[],{},{"chain":[{"task":"py.next","args":["0123456789"],"options":{"task_id":"b","queue":"far"}}]}]"""));
        await host.AckedAsync("a");

        // Even the letter is too large with its body; what is left says at least which job it was.
        var letter = Assert.Single(host.Transport.Published, p => p.Queue == "jobs.dead").Message;
        Assert.Equal(("b", "[[],{},{}]"), (letter.CorrelationId, Encoding.UTF8.GetString(letter.Body.Span)));
        Assert.Equal(1, task.Runs);
    }

    [Theory]
    [InlineData("application/x-gzip")]
    [InlineData("zlib")]
    [InlineData("application/x-brotli")]
    public async Task A_compressed_body_is_read(string compression)
    {
        var task = new TestTask("t", (_, text) => text == "snow" ? Task.CompletedTask : throw new InvalidOperationException(text));
        await using var host = await JobsHost.StartAsync(task);
        var message = TestMessage.Of(id: "a", task: "t", body: "", headers: [("compression", compression)]) with { Body = Compressed("""[["snow"],{},{}]""", compression) };
        await host.SendAsync(message);
        await host.AckedAsync("a");
        Assert.Empty(host.Transport.Published);
    }

    [Fact]
    public async Task A_body_that_is_damaged_or_compressed_in_another_way_is_a_dead_letter_with_a_reason()
    {
        await using var host = await JobsHost.StartAsync(Echo("t"));
        await host.SendAsync(TestMessage.Of(id: "a", task: "t", headers: [("compression", "zlib")]));
        Assert.Contains("cannot be decompressed", (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason), StringComparison.Ordinal);
        await host.SendAsync(TestMessage.Of(id: "b", task: "t", headers: [("compression", "application/zstd")]));
        await host.AckedAsync("b");
        Assert.Contains(host.Transport.Published, p => p.Message.Text(WireHeaders.DeadReason)?.Contains("'application/zstd'", StringComparison.Ordinal) == true);
    }

    static byte[] Compressed(string text, string how)
    {
        using var target = new MemoryStream();
        using (Stream stream = how.EndsWith("brotli", StringComparison.Ordinal)
            ? new System.IO.Compression.BrotliStream(target, System.IO.Compression.CompressionMode.Compress)
            : new System.IO.Compression.ZLibStream(target, System.IO.Compression.CompressionMode.Compress))
        {
            stream.Write(Encoding.UTF8.GetBytes(text));
        }

        return target.ToArray();
    }

    static void AssertBody(string expected, JobMessage message) =>
        Assert.True(JsonElement.DeepEquals(JsonElement.Parse(expected), JsonElement.Parse(message.Body.Span)), Encoding.UTF8.GetString(message.Body.Span));

    static TestTask Echo(string name) => new(name, (_, _) => Task.CompletedTask);
}
