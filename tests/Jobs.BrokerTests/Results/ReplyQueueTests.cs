using System.Text.Json;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.BrokerTests.Results;

/// <summary>The reply queue of a process: it outlives connections, and when it is gone, nobody waits for it.</summary>
public sealed class ReplyQueueTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int ReplyDropped = 424, ReplyQueueFailed = 470, ReplyQueueLost = 471, StrangeReply = 472;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);
    readonly ContractBench tasks = new();

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        tasks.Release.TrySetResult();
        await bench.DisposeAsync();
    }

    [Fact]
    public async Task A_result_that_is_written_while_the_caller_has_no_connection_arrives()
    {
        await StartWorkerAsync();
        var proxy = bench.Proxy();
        var caller = Bench.Jobs(bench.Host(proxy));
        var handle = await caller.EnqueueAsync(ContractJobs.Wait(), Cancellation);
        var result = handle.GetResultAsync(Soon, Cancellation);
        await tasks.Begun.Task.Soon();
        proxy.RefuseNew();
        proxy.ResetAll();

        tasks.Release.SetResult();
        await bench.HoldsAsync(bench.Queue, 0);
        await Eventually.BecomesAsync(async () => await WaitingRepliesAsync() >= 1, Soon, "the result to wait in the reply queue");
        Assert.False(result.IsCompleted);
        proxy.AcceptNew();

        Assert.Equal("done", await result);
        Assert.Equal(0, bench.Logged(ReplyQueueLost));
        Assert.Equal(0, bench.Logged(ReplyQueueFailed)); // the lost connection has a line of its own
    }

    [Fact]
    public async Task A_call_whose_reply_queue_is_deleted_fails_at_once_and_the_next_call_works()
    {
        await StartWorkerAsync();
        var caller = Bench.Jobs(bench.Host());
        var handle = await caller.EnqueueAsync(ContractJobs.Wait(), Cancellation);
        var result = handle.GetResultAsync(Soon, Cancellation);
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeleteAsync(Name(await ReplyQueueAsync()), false, false, cancellationToken: Cancellation);
        }

        var thrown = await Assert.ThrowsAsync<JobTransportException>(() => result.Soon());
        Assert.Contains("The reply queue", thrown.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<JobTransportException>(() => handle.GetResultAsync(Soon, Cancellation)); // and later calls too
        Assert.Equal(3, await caller.CallAsync(ContractJobs.Add(1, 2), Soon, Cancellation));
        Assert.Equal(1, bench.Logged(ReplyQueueLost));
    }

    [Fact]
    public async Task The_queue_is_a_quorum_queue_that_deletes_itself_and_goes_with_its_process()
    {
        await StartWorkerAsync();
        var host = bench.Host();
        Assert.Equal(3, await Bench.Jobs(host).CallAsync(ContractJobs.Add(1, 2), Soon, Cancellation));

        var arguments = (await ReplyQueueAsync()).GetProperty("arguments");
        Assert.Equal(("quorum", 1_800_000), (arguments.GetProperty("x-queue-type").GetString(), arguments.GetProperty("x-expires").GetInt32()));

        await ((IAsyncDisposable)host).DisposeAsync();
        Assert.Empty(await ReplyQueuesAsync());
    }

    [Fact]
    public async Task A_message_that_is_no_result_is_thrown_away_and_said_once()
    {
        await StartWorkerAsync();
        var caller = Bench.Jobs(bench.Host());
        await caller.CallAsync(ContractJobs.Add(1, 2), Soon, Cancellation);
        await using var channel = await bench.ChannelAsync();
        foreach (var body in (string[])["", "7", "{}", """{"task_id":"nobody","status":"SUCCESS","result":1}""", "\u0001"])
        {
            await channel.BasicPublishAsync("", Name(await ReplyQueueAsync()), mandatory: true, new global::RabbitMQ.Client.BasicProperties(), System.Text.Encoding.UTF8.GetBytes(body), Cancellation);
        }

        Assert.Equal(7, await caller.CallAsync(ContractJobs.Add(3, 4), Soon, Cancellation));
        Assert.Equal(1, bench.Logged(StrangeReply));
    }

    [Fact]
    public async Task A_caller_that_died_costs_the_worker_one_log_line_and_holds_up_nobody()
    {
        const int Calls = 3;
        var worker = await StartWorkerAsync();
        var proxy = bench.Proxy();
        var dead = Bench.Jobs(bench.Host(proxy));
        await dead.EnqueueManyAsync(Enumerable.Range(0, Calls).Select(_ => ContractJobs.Wait()), Cancellation);
        await Eventually.BecomesAsync(() => tasks.Runs.Count == Calls, Soon, "all jobs to run");
        proxy.RefuseNew();
        proxy.ResetAll(); // for the broker a process has died: nobody says goodbye
        await using (var channel = await bench.ChannelAsync())
        {
            // What the broker does half an hour later.
            await channel.QueueDeleteAsync(Name(await ReplyQueueAsync()), false, false, cancellationToken: Cancellation);
        }

        tasks.Release.SetResult();
        Assert.Equal(3, await Bench.Jobs(bench.Host()).CallAsync(ContractJobs.Add(1, 2), Soon, Cancellation));
        await Eventually.BecomesAsync(() => bench.Logged(ReplyDropped) > 0, Soon, "the worker to say that nobody takes a result");
        await worker.StopAsync(Cancellation); // what was not acknowledged would go back to the queue now

        Assert.Equal(1, bench.Logged(ReplyDropped));
        Assert.Equal(0, await bench.CountAsync(bench.Queue));
        Assert.Equal(0, await bench.CountAsync(bench.DeadQueue));
        Assert.Equal(Calls + 1, tasks.Runs.Count);
    }

    [Fact]
    public async Task Another_process_is_told_that_only_the_one_that_enqueued_a_job_hears_of_it()
    {
        await StartWorkerAsync();
        var handle = await Bench.Jobs(bench.Host()).EnqueueAsync(ContractJobs.Add(1, 2) with { Result = true }, Cancellation);
        Assert.Equal(3, await handle.GetResultAsync(Soon, Cancellation));

        var stranger = Bench.Jobs(bench.Host()).GetHandle<int>(handle.Id);
        var thrown = await Assert.ThrowsAsync<TimeoutException>(() => stranger.GetResultAsync(TimeSpan.FromMilliseconds(1), Cancellation));

        Assert.Contains("Only the process that enqueued the job hears of its result.", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_queue_that_may_not_be_read_is_said_once_and_read_when_the_right_is_given()
    {
        brokers.RequireControl();

        await StartWorkerAsync();
        var user = $"{bench.Prefix}-user";
        await brokers.Broker.ControlAsync("add_user", user, "secret");
        await brokers.Broker.ControlAsync("set_permissions", "-p", "/", user, ".*", ".*", "^$");
        try
        {
            using var lines = new LogLines();
            var uri = new UriBuilder(brokers.Broker.AmqpUri) { UserName = user, Password = "secret" }.Uri.ToString();
            var host = bench.Host(uri, more: jobs => jobs.Services.AddLogging(log => log.SetMinimumLevel(LogLevel.Debug).AddProvider(lines)));
            var handle = await Bench.Jobs(host).EnqueueAsync(ContractJobs.Add(1, 2) with { Result = true }, Cancellation);
            await Eventually.BecomesAsync(() => lines.All.Count(line => line.Event == ReplyQueueFailed) >= 4, Soon, "the queue to be tried again and again");

            Assert.Single(lines.All, line => line is { Event: ReplyQueueFailed, Level: LogLevel.Warning }); // the others are for debugging
            await brokers.Broker.ControlAsync("set_permissions", "-p", "/", user, ".*", ".*", ".*");
            Assert.Equal(3, await handle.GetResultAsync(Soon, Cancellation));
        }
        finally
        {
            await brokers.Broker.ControlAsync("delete_user", user);
        }
    }

    [Fact]
    public async Task A_user_who_may_not_declare_a_reply_queue_is_told_so_at_once_until_the_right_is_given()
    {
        brokers.RequireControl();

        await StartWorkerAsync();
        var user = $"{bench.Prefix}-guest";
        await brokers.Broker.ControlAsync("add_user", user, "secret");
        await brokers.Broker.ControlAsync("set_permissions", "-p", "/", user, "nothing", ".*", ".*");
        try
        {
            var caller = Bench.Jobs(bench.Host(new UriBuilder(brokers.Broker.AmqpUri) { UserName = user, Password = "secret" }.Uri.ToString()));
            var refused = await Assert.ThrowsAsync<JobPublishException>(() => CallAsync());
            Assert.False(refused.MaybeEnqueued);
            Assert.False(refused.IsTransient); // so it is no time-out
            Assert.Contains("Grant 'configure'", refused.Message, StringComparison.Ordinal);

            await brokers.Broker.ControlAsync("set_permissions", "-p", "/", user, ".*", ".*", ".*");
            await Eventually.BecomesAsync(
                async () =>
                {
                    try
                    {
                        return await CallAsync() == 3;
                    }
                    catch (JobPublishException e) when (!e.IsTransient)
                    {
                        return false; // not yet tried again
                    }
                },
                Soon,
                "the queue to be declared");

            Task<int> CallAsync() => caller.CallAsync(ContractJobs.Add(1, 2), Soon, Cancellation);
        }
        finally
        {
            await brokers.Broker.ControlAsync("delete_user", user);
        }
    }

    Task<IHost> StartWorkerAsync() => bench.StartedAsync(bench.Host(more: jobs =>
    {
        jobs.Services.AddSingleton(tasks);
        jobs.AddTasks<ContractTasks>().AddWorker(worker => worker.Queues = [bench.Queue]);
    }));

    async Task<IReadOnlyList<JsonElement>> ReplyQueuesAsync() =>
        [.. (await brokers.Broker.ManagementAsync("api/queues/%2F?enable_queue_totals=true")).EnumerateArray()
            .Where(queue => Name(queue).StartsWith($"{bench.Prefix}.replies.", StringComparison.Ordinal))];

    async Task<JsonElement> ReplyQueueAsync()
    {
        await Eventually.BecomesAsync(async () => (await ReplyQueuesAsync()).Count == 1, Soon, "one reply queue");
        return (await ReplyQueuesAsync())[0];
    }

    async Task<long> WaitingRepliesAsync() => await bench.CountAsync(Name(await ReplyQueueAsync()));

    static string Name(JsonElement queue) => queue.GetProperty("name").GetString()!;
}
