using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.RabbitMQ;
using Jobs.Transport;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.BrokerTests.Consuming;

/// <summary>Channels and connections that end under running jobs.</summary>
public sealed class LostChannelTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);
    static readonly TimeSpan Late = TimeSpan.FromSeconds(60);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    // rabbitmq.md §3: after a reset the client with job code in its callback ran every prefetched job twice.
    [Fact]
    public async Task Jobs_that_run_while_their_connection_is_reset_run_once_in_this_process()
    {
        const int Count = 60;
        var proxy = bench.Proxy();
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var task = new ProbeTask(async (_, _) => await open.Task);
        var enqueuer = Bench.Jobs(bench.Host());
        await enqueuer.EnqueueManyAsync(Enumerable.Range(0, Count).Select(_ => ProbeTask.Job()), TestContext.Current.CancellationToken);
        await bench.StartedAsync(bench.Host(proxy, task: task));
        await Eventually.BecomesAsync(() => task.Running == 8, Soon, "8 jobs to run");

        var next = proxy.NextAcceptedAsync();
        proxy.ResetAll();
        await next.WaitAsync(Soon, TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(async () => await bench.CountAsync(bench.Queue) == Count - 16, Soon, "the new channel to hold its prefetch");
        open.SetResult();

        await Eventually.BecomesAsync(() => task.Total >= Count, Soon, "all jobs to end");
        await bench.HoldsAsync(bench.Queue, 0);
        await bench.StopHostsAsync();
        Assert.Equal(0, await bench.CountAsync(bench.Queue));
        Assert.Equal(Count, task.Runs.Count);
        Assert.All(task.Runs, run => Assert.Equal(1, run.Value));
        Assert.Equal(0, await bench.CountAsync(bench.DeadQueue));
    }

    [Fact]
    public async Task A_message_that_could_not_leave_early_comes_again_and_is_not_taken_for_one_that_ended()
    {
        var proxy = bench.Proxy();
        var host = bench.Host(proxy);
        await bench.PublishAsync(Bench.Message("one", stamp: 4711));
        var subscription = await bench.SubscribeAsync(host);
        var delivery = (await subscription.NextAsync().AsTask().WaitAsync(Soon, TestContext.Current.CancellationToken))!;
        Assert.True(delivery.TryStart());

        proxy.RefuseNew();
        proxy.ResetAll();
        await bench.HoldsAsync(bench.Queue, 1); // given back by the broker
        await Eventually.BecomesAsync(() => !subscription.CheckHealth().Connection.IsUp, Soon, "the connection to be known as lost");
        Assert.False(await delivery.LeaveEarlyAsync());
        proxy.AcceptNew();

        var again = (await subscription.NextAsync().AsTask().WaitAsync(Soon, TestContext.Current.CancellationToken))!;
        Assert.Equal("one", again.Message.CorrelationId);
        await again.SettleAsync([]);
    }

    /// <summary>§3 "after a failed ack": what completed and could not be acked is acked when it comes back, without a run. (Celery #4671, Dramatiq #461)</summary>
    [Theory]
    [InlineData(false)] // its id proves that it is the same job
    [InlineData(true)] // its stamp does
    public async Task A_job_that_ended_while_the_channel_was_gone_is_acked_when_it_comes_back(bool stamped)
    {
        var proxy = bench.Proxy();
        var host = bench.Host(proxy);
        await (stamped
            ? bench.PublishAsync(Bench.Message("one", stamp: 4711))
            : Bench.Jobs(bench.Host()).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken));
        var subscription = await bench.SubscribeAsync(host);
        var delivery = (await subscription.NextAsync().AsTask().WaitAsync(Soon, TestContext.Current.CancellationToken))!;

        proxy.RefuseNew();
        proxy.ResetAll();
        await Eventually.BecomesAsync(() => proxy.OpenConnections == 0, Soon, "the connection to be gone");
        await bench.HoldsAsync(bench.Queue, 1); // given back by the broker
        await delivery.SettleAsync([]); // too late: its tag is void, and must not reach another channel (406)
        proxy.AcceptNew();

        await bench.HoldsAsync(bench.Queue, 0);
        await subscription.StopAsync(TestContext.Current.CancellationToken);
        await subscription.DisposeAsync();
        Assert.Null(await subscription.NextAsync());
        Assert.Equal(0, await bench.CountAsync(bench.Queue));
    }

    [Fact]
    public async Task A_job_that_was_given_back_while_the_channel_was_gone_runs_again()
    {
        var proxy = bench.Proxy();
        await bench.PublishAsync(Bench.Message("one", stamp: 4711));
        var subscription = await bench.SubscribeAsync(bench.Host(proxy));
        var delivery = (await subscription.NextAsync().AsTask().WaitAsync(Soon, TestContext.Current.CancellationToken))!;

        proxy.RefuseNew();
        proxy.ResetAll();
        await bench.HoldsAsync(bench.Queue, 1);
        await delivery.ReleaseAsync();
        proxy.AcceptNew();

        var again = (await subscription.NextAsync().AsTask().WaitAsync(Soon, TestContext.Current.CancellationToken))!;
        Assert.Equal("one", again.Message.CorrelationId);
        await again.SettleAsync([]);
    }

    // §3: what was prefetched and has not begun when the connection ends goes to another worker; to run it here too would double it for nothing.
    [Fact]
    public async Task Jobs_that_waited_in_a_worker_whose_connection_ended_run_in_another_one_only()
    {
        const int Count = 40;
        var proxy = bench.Proxy();
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cutOff = new ProbeTask(async (_, _) => await open.Task);
        await Bench.Jobs(bench.Host()).EnqueueManyAsync(Enumerable.Range(0, Count).Select(_ => ProbeTask.Job()), TestContext.Current.CancellationToken);
        await bench.StartedAsync(bench.Host(proxy, task: cutOff, worker: o => (o.Concurrency, o.Prefetch) = (2, Count)));
        await Eventually.BecomesAsync(() => cutOff.Running == 2, Soon, "2 jobs to run, and 38 to wait behind them");

        proxy.RefuseNew();
        proxy.ResetAll();
        var other = new ProbeTask();
        await bench.StartedAsync(bench.Host(task: other));
        await Eventually.BecomesAsync(() => other.Total == Count, Soon, "the other worker to run all of them");
        open.SetResult();
        await Eventually.BecomesAsync(() => cutOff.Running == 0, Soon, "the two to end");
        await bench.StopHostsAsync();

        Assert.Equal(2, cutOff.Total); // at least once: those two were running
    }

    // A release is a nack of one tag; a multiple ack of a later one that overtakes it would settle – lose – the job that was given back.
    [Fact]
    public async Task Jobs_that_are_given_back_beside_jobs_that_end_are_never_acked_with_them()
    {
        const int Count = 3_000;
        var host = bench.Host();
        await Bench.Jobs(host).EnqueueManyAsync(Enumerable.Range(0, Count).Select(i => ProbeTask.Job() with { Id = $"{i}" }), TestContext.Current.CancellationToken);
        var subscription = await bench.SubscribeAsync(host, prefetch: 300, maxDeliveries: 1_000);
        var done = new System.Collections.Concurrent.ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        var seen = new System.Collections.Concurrent.ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var slots = Enumerable.Range(0, 16).Select(_ => Task.Run(SettleAsync, TestContext.Current.CancellationToken)).ToArray();

        await all.Task.WaitAsync(TimeSpan.FromSeconds(40), TestContext.Current.CancellationToken);
        await subscription.StopAsync(TestContext.Current.CancellationToken);
        await Task.WhenAll(slots);
        await subscription.DisposeAsync();
        Assert.All(done, d => Assert.Equal(1, d.Value));
        Assert.DoesNotContain(bench.Warnings, w => w.StartsWith("441", StringComparison.Ordinal)); // and no channel was closed for a tag acked twice

        async Task SettleAsync()
        {
            while (await subscription.NextAsync() is { } delivery)
            {
                var id = delivery.Message.CorrelationId!;
                if (seen.AddOrUpdate(id, 1, (_, n) => n + 1) == 1 && id[^1] is '3' or '7')
                {
                    _ = Task.Run(async () => await delivery.ReleaseAsync()); // the first time every fifth goes back, beside the acks
                    continue;
                }

                done.AddOrUpdate(id, 1, (_, n) => n + 1);
                await delivery.SettleAsync([]);
                if (done.Count == Count)
                {
                    all.TrySetResult();
                }
            }
        }
    }

    /// <summary>§3: the broker's cancel ends a consumer on a connection that lives; the client does not consume again by itself. (Wolverine #1878, Celery #987, Dramatiq #207)</summary>
    [Fact]
    public async Task A_queue_that_was_deleted_under_its_consumer_is_declared_again_and_consumed()
    {
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(rabbit: o => o.WatchdogInterval = TimeSpan.FromSeconds(5), task: task));
        var dispatcher = Bench.Jobs(host);
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the first job to run");

        await DeleteQueueAsync();
        await Eventually.BecomesAsync(async () => await bench.CountAsync(bench.Queue) == 0, Soon, "the consumer to declare the queue again");

        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => task.Total == 2, Soon, "the second job to run");
        Assert.Contains(bench.Warnings, w => w.StartsWith("441", StringComparison.Ordinal));
    }

    // When the queue is back at once, 3.10.8 tells the consumer of the old one nothing: only a look at what does not come finds it (§3 "phantom").
    [Fact]
    public async Task A_queue_that_was_deleted_and_declared_again_at_once_is_consumed_again_when_the_watchdog_looks()
    {
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(rabbit: o => o.WatchdogInterval = TimeSpan.FromSeconds(1), task: task));
        var dispatcher = Bench.Jobs(host);
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the first job to run");

        await DeleteQueueAsync();
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);

        await Eventually.BecomesAsync(() => task.Total == 2, Soon, "the second job to run");
    }

    // What RabbitMQ 3.10 does to every consumer of a quorum queue that it deletes by force: nobody is told.
    [Fact]
    public async Task A_consumer_that_the_broker_forgot_is_missed_when_a_job_waits()
    {
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(rabbit: o => o.WatchdogInterval = TimeSpan.FromSeconds(8), task: task)); // idle only after four of it

        await ForgetConsumerAsync();
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);

        await Eventually.BecomesAsync(() => task.Total == 1, Late, "the job to run");
        Assert.Equal(1, bench.Logged(441, "1 messages wait and it was given none"));
    }

    // Where other consumers leave nothing waiting, a forgotten one looks idle for ever. Only lines about the queue count: with so short an
    // interval, a broker that stalls for some seconds makes the history and the keeper's journal speak too.
    [Fact]
    public async Task A_consumer_that_looks_idle_is_replaced_without_a_word()
    {
        await bench.StartedAsync(bench.Host(rabbit: o => o.WatchdogInterval = TimeSpan.FromSeconds(1), task: new ProbeTask()));

        await ForgetConsumerAsync();

        await Eventually.BecomesAsync(async () => await ConsumersAsync() == 1, Late, "a new consumer in its place");
        var said = bench.Lines.Where(line => line.Text.Contains(bench.Queue, StringComparison.Ordinal)).ToList();
        Assert.True(said.Select(line => line.Id).Order().SequenceEqual([100, 440]), string.Join("\n", said)); // the worker's start and the consumer's
    }

    // It is idle nearly always; the broker forgets few consumers, and each cancel costs it a channel and the queue an entry in its log.
    [Fact]
    public async Task A_quarantine_consumer_that_is_idle_is_left_alone()
    {
        await bench.StartedAsync(bench.Host(rabbit: o => o.WatchdogInterval = TimeSpan.FromSeconds(1), task: new ProbeTask()));
        var quarantine = await TagAsync(bench.QuarantineQueue, "");

        var first = await TagAsync(bench.Queue, "");
        var second = await TagAsync(bench.Queue, not: first);
        await TagAsync(bench.Queue, not: second); // twice replaced, so that one of the quarantine would have been too

        Assert.Equal(quarantine, await TagAsync(bench.QuarantineQueue, ""));
    }

    [Fact]
    public async Task A_connection_looks_at_queues_over_one_channel_and_opens_another_when_that_was_closed()
    {
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeclareAsync(bench.Queue, durable: true, exclusive: false, autoDelete: false, cancellationToken: TestContext.Current.CancellationToken);
        }

        var connection = await new ConnectionFactory { Uri = brokers.Broker.AmqpUri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(TestContext.Current.CancellationToken);
        await using var incarnation = new Incarnation(connection, new());
        Assert.Equal(0, await incarnation.CountAsync(bench.Queue, TestContext.Current.CancellationToken));
        Assert.Equal(0, await incarnation.CountAsync(bench.Queue, TestContext.Current.CancellationToken));
        await using (var next = await connection.CreateChannelAsync(cancellationToken: TestContext.Current.CancellationToken))
        {
            Assert.Equal(2, next.ChannelNumber);
        }

        await Assert.ThrowsAnyAsync<OperationInterruptedException>(() => incarnation.CountAsync($"{bench.Prefix}.none", TestContext.Current.CancellationToken));

        Assert.Equal(0, await incarnation.CountAsync(bench.Queue, TestContext.Current.CancellationToken));
    }

    // A header that is none of ours must not throw in the callback: the message would stay unacked, and hold a place of the prefetch, for ever.
    [Fact]
    public async Task A_message_with_a_senseless_delivery_count_is_delivered()
    {
        var host = bench.Host();
        var subscription = await bench.SubscribeAsync(host, prefetch: 1);
        await using var channel = await bench.ChannelAsync();
        await channel.BasicPublishAsync(
            "", bench.Queue, mandatory: true,
            new BasicProperties { CorrelationId = "odd", Headers = new Dictionary<string, object?> { ["x-jobs-deliveries"] = "many", ["x-delivery-count"] = new List<object> { 1 } } },
            new byte[] { 1 }, TestContext.Current.CancellationToken);

        var delivery = (await subscription.NextAsync().AsTask().WaitAsync(Soon, TestContext.Current.CancellationToken))!;

        Assert.Equal("odd", delivery.Message.CorrelationId);
        await delivery.SettleAsync([]);
    }

    async Task DeleteQueueAsync()
    {
        await using var channel = await bench.ChannelAsync();
        await channel.QueueDeleteAsync(bench.Queue, cancellationToken: TestContext.Current.CancellationToken);
    }

    /// <summary>Takes the one consumer out of the quorum queue; its channel is told nothing.</summary>
    Task ForgetConsumerAsync() => brokers.Broker.ControlAsync("eval", $$"""
        {ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{{bench.Queue}}">>)),
        One = fun One() -> case rabbit_amqqueue:consumers(Q) of [C] -> C; _ -> timer:sleep(20), One() end end, % none while an idle one is replaced
        Consumer = One(),
        {ok, _, _} = ra:process_command(amqqueue:get_pid(Q), rabbit_fifo:make_checkout({element(2, Consumer), element(1, Consumer)}, cancel, #{})).
        """);

    /// <summary>The tag of the queue's one consumer, as soon as it is another one.</summary>
    async Task<string> TagAsync(string queue, string not)
    {
        var tag = "";
        await Eventually.BecomesAsync(
            async () =>
            {
                var all = (await brokers.Broker.ManagementAsync("api/consumers/%2F")).EnumerateArray().Where(c => c.GetProperty("queue").GetProperty("name").GetString() == queue).ToList();
                tag = all is [var one] ? one.GetProperty("consumer_tag").GetString()! : "";
                return tag != "" && tag != not;
            },
            Late,
            $"{queue} to have another consumer than {not}");
        return tag;
    }

    async Task<uint> ConsumersAsync()
    {
        await using var channel = await bench.ChannelAsync();
        return (await channel.QueueDeclarePassiveAsync(bench.Queue, TestContext.Current.CancellationToken)).ConsumerCount;
    }
}
