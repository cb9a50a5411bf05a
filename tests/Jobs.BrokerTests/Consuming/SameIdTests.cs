using System.Text;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Consuming;

/// <summary>Two jobs that look like one: only a proof tells that a message is the one that ran here before, and an id is none.</summary>
public sealed class SameIdTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    readonly Bench bench = new(brokers.Broker);

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    /// <summary>
    /// Celery sets no timestamp, so its messages of one id differ in nothing. The second one is marked as redelivered because somebody else had it in hand.
    /// (NServiceBus.AzureServiceBus #201, NServiceBus #1567)
    /// </summary>
    [Theory]
    [InlineData("B")] // one correlation id for all jobs of a web request
    [InlineData("A")] // the same task_id again
    public async Task A_second_job_of_celery_runs_though_one_of_its_correlation_id_ended_before_the_connection_was_lost(string secondId)
    {
        var proxy = bench.Proxy();
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var task = new ProbeTask(async (_, text) => await (text == "long" ? open.Task : Task.CompletedTask));
        await bench.StartedAsync(bench.Host(proxy, task: task, worker: o => (o.Concurrency, o.Prefetch) = (1, 1)));
        await PublishAsync("A", "c", "first");
        await PublishAsync("w", "w", "warm"); // comes when the first is acked: the prefetch is 1
        await Eventually.BecomesAsync(() => task.Arguments.Any(a => a.Text == "warm"), Soon, "the first two jobs to run");

        var next = proxy.NextAcceptedAsync();
        proxy.ResetAll();
        await next.WaitAsync(Soon, Cancellation);
        await PublishAsync("l", "l", "long");
        await Eventually.BecomesAsync(() => task.Running == 1 && task.Arguments.Any(a => a.Text == "long"), Soon, "the worker to be busy");
        await PublishAsync(secondId, "c", "second");
        await using (var other = await bench.ChannelAsync())
        {
            Assert.NotNull(await other.BasicGetAsync(bench.Queue, autoAck: false, Cancellation));
        }

        await bench.HoldsAsync(bench.Queue, 1); // given back, and redelivered from now on
        open.SetResult();

        await Eventually.BecomesAsync(() => task.Arguments.Count(a => a.Text == "second") == 1, Soon, "the second job to run");
        Assert.Single(task.Arguments, a => a.Text == "first");
    }

    /// <summary>As Celery publishes: an id in the headers, a correlation id, no timestamp.</summary>
    async Task PublishAsync(string id, string correlationId, string text)
    {
        await using var channel = await bench.ChannelAsync();
        var properties = new BasicProperties
        {
            CorrelationId = correlationId,
            ContentType = "application/json",
            ContentEncoding = "utf-8",
            DeliveryMode = DeliveryModes.Persistent,
            Headers = new Dictionary<string, object?> { ["task"] = "probe.run", ["id"] = id },
        };
        await channel.BasicPublishAsync("", bench.Queue, mandatory: true, properties, Encoding.UTF8.GetBytes($$$"""[["{{{text}}}"],{},{}]"""), Cancellation);
    }
}
