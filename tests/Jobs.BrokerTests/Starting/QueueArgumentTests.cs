using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Starting;

/// <summary>Queues that are there already, in another shape, or not there. rabbitmq.md §1.7: arguments can never be changed; 406 closes the channel.</summary>
public sealed class QueueArgumentTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    /// <summary>A changed option that becomes another argument is refused with 406, and the reader of the log must learn what to do. (Dramatiq #301)</summary>
    [Fact]
    public async Task A_worker_on_a_queue_with_other_arguments_does_not_start_and_says_both_values_and_the_remedy()
    {
        await ClassicQueueAsync();

        var exception = await Assert.ThrowsAsync<JobTransportException>(() => bench.StartedAsync(bench.Host(task: new ProbeTask())));

        Assert.False(exception.IsTransient);
        Assert.Contains(bench.Queue, exception.Message, StringComparison.Ordinal);
        Assert.Contains("x-queue-type=quorum", exception.Message, StringComparison.Ordinal);
        Assert.Contains("but current is", exception.Message, StringComparison.Ordinal); // the broker names the first argument that differs
        Assert.Contains("DeclareMode.Passive", exception.Message, StringComparison.Ordinal);
    }

    /// <summary>The queue of a Celery application: enqueuing into it must need no option.</summary>
    [Fact]
    public async Task An_enqueue_takes_a_queue_of_another_type_as_it_is_with_one_warning()
    {
        await ClassicQueueAsync();
        var dispatcher = Bench.Jobs(bench.Host());

        var later = ProbeTask.Job() with { Delay = TimeSpan.FromSeconds(1) };
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await dispatcher.EnqueueAsync(later, TestContext.Current.CancellationToken);

        await bench.HoldsAsync(bench.Queue, 2);
        var line = Assert.Single(bench.Lines, l => l.Id == 425);
        Assert.Contains(bench.Queue, line.Text, StringComparison.Ordinal);
        Assert.Contains("but current is", line.Text, StringComparison.Ordinal); // the broker names the first argument that differs
    }

    /// <summary>What is confirmed must outlive a restart of the broker and its last consumer.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task An_enqueue_to_a_queue_that_does_not_keep_its_messages_fails_at_once_and_others_go_on(bool durable, bool autoDelete)
    {
        await QueueAsync("classic", durable, autoDelete);
        var dispatcher = Bench.Jobs(bench.Host());

        var call = dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "one" }, TestContext.Current.CancellationToken);
        var other = dispatcher.EnqueueAsync(ProbeTask.Job() with { Queue = $"{bench.Prefix}.other" }, TestContext.Current.CancellationToken);

        var exception = await Assert.ThrowsAsync<JobPublishException>(() => call.WaitAsync(Soon, TestContext.Current.CancellationToken));
        Assert.False(exception.IsTransient);
        Assert.False(exception.MaybeEnqueued);
        Assert.Contains("but current is", exception.Message, StringComparison.Ordinal);
        await other.WaitAsync(Soon, TestContext.Current.CancellationToken);
        Assert.Equal(1, await bench.CountAsync($"{bench.Prefix}.other"));
        Assert.Equal(0, await bench.CountAsync(bench.Queue));
    }

    // A quorum queue of 3.x refuses a consumer that asks to be cancelled at a failover, as one of a mirrored queue must (406); 4.x does not know the argument.
    [Theory]
    [InlineData("classic")]
    [InlineData("quorum")]
    public async Task Passive_uses_the_queue_as_it_is(string type)
    {
        await QueueAsync(type);
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(rabbit: o => o.Declare = DeclareMode.Passive, task: task));

        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job("here"), TestContext.Current.CancellationToken);
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job("later") with { Delay = TimeSpan.FromSeconds(1) }, TestContext.Current.CancellationToken);

        await Eventually.BecomesAsync(() => task.Total == 2, Soon, "both jobs to run");
        Assert.Equal(-1, await bench.CountAsync(bench.QuarantineQueue)); // nothing was made beside somebody else's queue
    }

    [Fact]
    public async Task Passive_without_the_queue_does_not_start_and_says_so()
    {
        var exception = await Assert.ThrowsAsync<JobTransportException>(() => bench.StartedAsync(bench.Host(rabbit: o => o.Declare = DeclareMode.Passive, task: new ProbeTask())));
        Assert.Contains($"Queue '{bench.Queue}' does not exist", exception.Message, StringComparison.Ordinal);
        Assert.False(exception.IsTransient);
    }

    // §2.2: mandatory, or the broker confirms what it threw away.
    [Fact]
    public async Task Passive_with_the_queue_deleted_later_is_an_error_that_names_exchange_and_queue()
    {
        await ClassicQueueAsync();
        var dispatcher = Bench.Jobs(bench.Host(rabbit: o => o.Declare = DeclareMode.Passive));
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await DeleteAsync(bench.Queue);

        var exception = await Assert.ThrowsAsync<JobPublishException>(() => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "one" }, TestContext.Current.CancellationToken));

        Assert.False(exception.MaybeEnqueued);
        Assert.False(exception.IsTransient);
        Assert.Contains("exchange ''", exception.Message, StringComparison.Ordinal);
        Assert.Contains($"queue '{bench.Queue}'", exception.Message, StringComparison.Ordinal);
        Assert.Equal("one", exception.JobId);
    }

    [Fact]
    public async Task Declare_with_the_queue_deleted_later_declares_it_again_and_loses_nothing()
    {
        const int Count = 200;
        var dispatcher = Bench.Jobs(bench.Host());
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await DeleteAsync(bench.Queue);

        var other = $"{bench.Prefix}.other";
        await Task.WhenAll(Enumerable.Range(0, Count).Select(i => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = $"{i}", Queue = i % 2 == 0 ? null : other }, TestContext.Current.CancellationToken)));

        Assert.Equal(Count / 2, (await bench.DrainIdsAsync(bench.Queue)).Count);
        Assert.Equal(Count / 2, (await bench.DrainIdsAsync(other)).Count);
    }

    // rabbitmq.md §11: 4.0's default of 20 counts resets, stops and looks by hand alike, and drops what exceeds it.
    [Fact]
    public async Task Every_queue_of_ours_has_a_delivery_limit_that_nothing_reaches()
    {
        var host = await bench.StartedAsync(bench.Host(task: new ProbeTask()));
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job() with { Delay = TimeSpan.FromSeconds(1) }, TestContext.Current.CancellationToken);
        await using var journal = Bench.Transport(host).OpenJournal("limits");
        await journal.AppendAsync(new byte[] { 1 }, Soon, TestContext.Current.CancellationToken);

        var all = (await brokers.Broker.ManagementAsync("api/queues/%2F?disable_stats=true&enable_queue_totals=true")).EnumerateArray()
            .Select(q => (Name: q.GetProperty("name").GetString()!, Arguments: q.GetProperty("arguments")))
            .Where(q => q.Name.StartsWith(bench.Prefix, StringComparison.Ordinal) && q.Name != $"{bench.Prefix}.history") // a stream returns nothing
            .ToDictionary(q => q.Name, q => q.Arguments.TryGetProperty("x-delivery-limit", out var limit) ? limit.GetInt32() : 0);

        Assert.Superset(new HashSet<string> { bench.Queue, bench.DeadQueue, bench.QuarantineQueue, $"{bench.Prefix}.journal.limits", $"{bench.Prefix}.delay.27" }, all.Keys.ToHashSet());
        Assert.All(all, queue => Assert.Equal((queue.Key, 1_000_000), (queue.Key, queue.Value)));
    }

    [Fact]
    public async Task Queues_from_before_the_delivery_limit_are_refused_and_the_message_says_how_to_move()
    {
        await using (var channel = await bench.ChannelAsync())
        {
            Dictionary<string, object?> before = new()
            {
                ["x-queue-type"] = "quorum", ["x-overflow"] = "reject-publish", ["x-dead-letter-strategy"] = "at-least-once",
                ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = bench.DeadQueue,
            };
            foreach (var queue in new[] { bench.Queue, $"{bench.Prefix}.quarantine.{bench.Prefix}.other" })
            {
                await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, before, cancellationToken: TestContext.Current.CancellationToken);
            }
        }

        var main = await Assert.ThrowsAsync<JobTransportException>(() => bench.SubscribeAsync(bench.Host()));
        var quarantine = await Assert.ThrowsAsync<JobTransportException>(() => bench.SubscribeAsync(bench.Host(), queues: $"{bench.Prefix}.other"));

        Assert.Contains("x-delivery-limit=1000000", main.Message, StringComparison.Ordinal);
        Assert.Contains("Delete the queue when it is empty, use another name", main.Message, StringComparison.Ordinal);
        Assert.Contains($"'{bench.Prefix}.quarantine.{bench.Prefix}.other' exists", quarantine.Message, StringComparison.Ordinal);
        Assert.Contains("or use another RabbitMqOptions.Prefix", quarantine.Message, StringComparison.Ordinal);
    }

    Task ClassicQueueAsync() => QueueAsync("classic");

    async Task QueueAsync(string type, bool durable = true, bool autoDelete = false)
    {
        await using var channel = await bench.ChannelAsync();
        await channel.QueueDeclareAsync(bench.Queue, durable, exclusive: false, autoDelete, new Dictionary<string, object?> { ["x-queue-type"] = type }, cancellationToken: TestContext.Current.CancellationToken);
    }

    async Task DeleteAsync(string queue)
    {
        await using var channel = await bench.ChannelAsync();
        await channel.QueueDeleteAsync(queue, cancellationToken: TestContext.Current.CancellationToken);
    }
}
