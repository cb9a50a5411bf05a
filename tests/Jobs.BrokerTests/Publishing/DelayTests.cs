using System.Diagnostics;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Transport;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Publishing;

/// <summary>Delays live in the broker's 28 levels. rabbitmq.md §4.</summary>
public sealed class DelayTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    // §4, measured by hand: 1.009/2.010/3.019/7.018 s.
    [Fact]
    public async Task Delays_of_1_2_3_and_7_seconds_are_never_early_and_less_than_a_second_late()
    {
        var host = bench.Host();
        var subscription = await bench.SubscribeAsync(host);
        var transport = Bench.Transport(host);
        await transport.PublishAsync(new Outgoing(bench.Queue, Bench.Message("warm"), TimeSpan.FromSeconds(1)), Soon, TestContext.Current.CancellationToken);
        await (await NextAsync(subscription)).SettleAsync([]);

        var clock = Stopwatch.StartNew();
        int[] delays = [7, 3, 2, 1]; // the longest first: it must not hold up the others
        foreach (var seconds in delays)
        {
            await transport.PublishAsync(new Outgoing(bench.Queue, Bench.Message($"{seconds}"), TimeSpan.FromSeconds(seconds)), Soon, TestContext.Current.CancellationToken);
        }

        var published = clock.Elapsed;
        foreach (var seconds in delays.Reverse())
        {
            var delivery = await NextAsync(subscription);
            Assert.Equal($"{seconds}", delivery.Message.CorrelationId);
            Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(seconds), published + TimeSpan.FromSeconds(seconds + 1));
            await delivery.SettleAsync([]);
        }
    }

    // NServiceBus binds "#.b", which also matches a message for "a.b".
    [Fact]
    public async Task Destinations_that_end_alike_do_not_get_each_others_jobs()
    {
        var host = bench.Host();
        var transport = Bench.Transport(host);
        string[] queues = [bench.Prefix, $"a.{bench.Prefix}", $"{bench.Prefix}.a", $"a.{bench.Prefix}.a", $"0.{bench.Prefix}"];
        try
        {
            foreach (var queue in queues)
            {
                await transport.PublishAsync(new Outgoing(queue, Bench.Message(queue), TimeSpan.FromSeconds(1)), Soon, TestContext.Current.CancellationToken);
            }

            foreach (var queue in queues)
            {
                await bench.HoldsAsync(queue, 1);
                Assert.Equal(queue, Assert.Single(await bench.DrainIdsAsync(queue)).Key);
            }

            Assert.Equal(0, await bench.CountAsync(bench.DeadQueue));
        }
        finally
        {
            await using var channel = await bench.ChannelAsync();
            foreach (var queue in queues)
            {
                await channel.QueueDeleteAsync(queue, cancellationToken: CancellationToken.None);
            }
        }
    }

    // The operations guide's setting: quorum queues send again only with more than 32 unconfirmed, and by default a level never has so many under way.
    [Fact]
    public async Task What_a_delay_level_sent_into_the_void_goes_out_again_when_more_than_32_jobs_are_due()
    {
        Assert.SkipWhen(Version.Parse(brokers.Broker.Version) >= new Version(4, 2), "These servers tell the level of every leader instead (server #14589).");
        await EvaluateAsync($"[application:set_env(rabbit, Key, Value) || {{Key, Value}} <- [{DeadLettering.Settings}]].");
        var transport = Bench.Transport(bench.Host());
        await DelayAsync("first");
        await bench.HoldsAsync(bench.Queue, 1);
        await DeadLetterWorker.MisleadAsync(EvaluateAsync, $"{bench.Prefix}.delay.00");
        string[] ids = [.. Enumerable.Range(0, 40).Select(i => $"{i}")];
        await Task.WhenAll(ids[..3].Select(DelayAsync));
        await DeadLetterWorker.KeepsAsync(EvaluateAsync, $"{bench.Prefix}.delay.00", 3);

        await Task.WhenAll(ids[3..].Select(DelayAsync));

        await bench.HoldsAsync(bench.Queue, 41, seconds: 40); // the broker looks every ten seconds
        Assert.Equal([.. ids, "first"], (await bench.DrainIdsAsync(bench.Queue)).Keys.ToHashSet());

        Task<string> EvaluateAsync(string erlang) => brokers.Broker.ControlAsync("eval", erlang);

        Task DelayAsync(string id) => transport.PublishAsync(new Outgoing(bench.Queue, Bench.Message(id), TimeSpan.FromSeconds(1)), Soon, TestContext.Current.CancellationToken).AsTask();
    }

    /// <summary>At-least-once dead-lettering keeps what has no route in the last level, and in front of everybody else. (NServiceBus.RabbitMQ #1407)</summary>
    [Fact]
    public async Task A_destination_that_was_deleted_sends_its_jobs_to_the_dead_letters_and_holds_up_nobody()
    {
        var host = bench.Host();
        var transport = Bench.Transport(host);
        var doomed = $"{bench.Prefix}.doomed";
        await transport.PublishAsync(new Outgoing(doomed, Bench.Message("lost"), TimeSpan.FromSeconds(2)), Soon, TestContext.Current.CancellationToken);
        await transport.PublishAsync(new Outgoing(bench.Queue, Bench.Message("kept"), TimeSpan.FromSeconds(3)), Soon, TestContext.Current.CancellationToken);
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeleteAsync(doomed, cancellationToken: TestContext.Current.CancellationToken);
        }

        await bench.HoldsAsync(bench.Queue, 1);
        await bench.HoldsAsync(bench.DeadQueue, 1);
        Assert.Equal("lost", Assert.Single(await bench.DrainIdsAsync(bench.DeadQueue)).Key);
    }

    [Fact]
    public async Task A_failed_job_comes_back_through_the_levels_and_its_attempts_are_counted()
    {
        var attempts = new System.Collections.Concurrent.ConcurrentQueue<int>();
        var task = new ProbeTask((context, _) =>
        {
            attempts.Enqueue(context.Attempt);
            throw new InvalidOperationException("never");
        });
        var host = await bench.StartedAsync(bench.Host(jobs: o => o.MaxRetries = 2, task: task));
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job() with { Id = "one" }, TestContext.Current.CancellationToken);

        await bench.HoldsAsync(bench.DeadQueue, 1);
        var letter = Assert.Single(await bench.DrainAsync(bench.DeadQueue));
        Assert.Equal([1, 2, 3], attempts);
        Assert.Equal("3", Bench.Header(letter, "x-jobs-dead-attempts"));
        Assert.Contains("never", Bench.Header(letter, "x-jobs-dead-reason"), StringComparison.Ordinal);
        Assert.Equal(bench.Queue, Bench.Header(letter, "x-jobs-dead-queue"));

        // Kept, they make 3.10 drop a message as a dead-letter cycle, after confirming it (celery #9867).
        Assert.DoesNotContain(letter.BasicProperties.Headers!.Keys, k => k.Contains("death", StringComparison.Ordinal));
    }

    static async Task<Delivery> NextAsync(JobSubscription subscription) =>
        (await subscription.NextAsync().AsTask().WaitAsync(Soon, TestContext.Current.CancellationToken))!;
}
