using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Publishing;

/// <summary>
/// A message that the broker does not take closes the channel under all that are in flight. rabbitmq.md §1.7: the limit is 16 MiB from 4.0 on (128 MiB before);
/// §2.2: 406 with class 60 method 40, which does not say which message it was.
/// </summary>
[Collection(nameof(BrokerWideCollection))]
public sealed class LargeMessageTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int Limit = 16 * 1024 * 1024;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task A_message_that_is_too_large_fails_alone_and_the_others_arrive()
    {
        await LimitAsync(Limit);
        var dispatcher = Bench.Jobs(bench.Host());
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "before" }, TestContext.Current.CancellationToken);

        var innocents = Enumerable.Range(0, 300).Select(i => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = $"{i}" }, TestContext.Current.CancellationToken)).ToList();
        var guilty = dispatcher.EnqueueAsync(ProbeTask.Job(new string('x', Limit + 1)) with { Id = "large" }, TestContext.Current.CancellationToken);
        innocents.AddRange(Enumerable.Range(300, 300).Select(i => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = $"{i}" }, TestContext.Current.CancellationToken)));

        var exception = await Assert.ThrowsAsync<JobPublishException>(() => guilty.WaitAsync(Soon, TestContext.Current.CancellationToken));
        Assert.Equal((false, false), (exception.MaybeEnqueued, exception.IsTransient));
        Assert.Equal("large", exception.JobId);
        Assert.Contains("larger", exception.Message, StringComparison.Ordinal);
        await Task.WhenAll(innocents).WaitAsync(Soon, TestContext.Current.CancellationToken);
        var found = await bench.DrainIdsAsync(bench.Queue);
        Assert.Equal(601, found.Count);
        Assert.DoesNotContain("large", found.Keys);
    }

    /// <summary>The client's default is 64 MiB, half of what RabbitMQ 3 takes. (rabbitmq-java-client #1221, rabbitmq-dotnet-client #1572)</summary>
    [Fact]
    public async Task A_message_larger_than_the_clients_own_limit_is_taken_and_holds_up_nobody()
    {
        const int MiB = 1024 * 1024;
        await LimitAsync(128 * MiB);
        try
        {
            var lengths = new System.Collections.Concurrent.ConcurrentQueue<int>();
            var task = new ProbeTask((_, text) =>
            {
                lengths.Enqueue(text.Length);
                return ValueTask.CompletedTask;
            });
            var host = await bench.StartedAsync(bench.Host(task: task));
            await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(new string('x', 70 * MiB)) with { Id = "large" }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
            await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job("small") with { Id = "small" }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
            await Eventually.BecomesAsync(() => task.Total == 2, Soon, "both jobs to run");

            Assert.Equal(["small".Length, 70 * MiB], lengths.Order());
            Assert.Equal(1, bench.Logged(400, "consume"));
        }
        finally
        {
            await LimitAsync(Limit);
        }
    }

    // Read when a channel opens; in 3.10 it is only an application setting.
    Task<string> LimitAsync(int bytes) =>
        brokers.Broker.ControlAsync("eval", $"application:set_env(rabbit, max_message_size, {bytes}), catch persistent_term:put(max_message_size, {bytes}).");

    // A header frame cannot be split: one above frame_max (128 KiB) is a connection error (501), for which everybody else pays too.
    [Fact]
    public async Task Headers_that_fit_no_frame_fail_alone_and_the_others_arrive()
    {
        var dispatcher = Bench.Jobs(bench.Host());
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "before" }, TestContext.Current.CancellationToken);

        var innocents = Enumerable.Range(0, 50).Select(i => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = $"{i}" }, TestContext.Current.CancellationToken)).ToList();
        var guilty = dispatcher.EnqueueAsync(
            ProbeTask.Job() with { Id = "wide", Headers = new Dictionary<string, object?> { ["note"] = new string('x', 200_000) } },
            TestContext.Current.CancellationToken);
        innocents.AddRange(Enumerable.Range(50, 50).Select(i => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = $"{i}" }, TestContext.Current.CancellationToken)));

        var exception = await Assert.ThrowsAsync<JobPublishException>(() => guilty.WaitAsync(TimeSpan.FromSeconds(25), TestContext.Current.CancellationToken));
        Assert.Equal((false, false), (exception.MaybeEnqueued, exception.IsTransient));
        await Task.WhenAll(innocents).WaitAsync(Soon, TestContext.Current.CancellationToken);
        Assert.Equal(101, (await bench.DrainIdsAsync(bench.Queue)).Count);
    }
}
