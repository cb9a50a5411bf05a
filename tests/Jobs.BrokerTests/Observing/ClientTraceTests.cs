using System.Diagnostics;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Transport;

namespace Jobs.BrokerTests.Observing;

/// <summary>Alone: its listener hears every host of the process. (rabbitmq-dotnet-client #1666, #1261)</summary>
[Collection(nameof(BrokerWideCollection))]
public sealed class ClientTraceTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    /// <summary>Its dead letter keeps all headers: what reads them when it is published must not stop all that is published.</summary>
    [Fact]
    public async Task A_message_whose_trace_is_no_text_is_a_dead_letter_and_holds_up_nobody()
    {
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(task: task));
        var odd = Bench.Message("odd");
        odd.Headers["traceparent"] = 5;
        await Bench.Transport(host).PublishAsync(new Outgoing(bench.Queue, odd), Soon, TestContext.Current.CancellationToken);
        await bench.HoldsAsync(bench.DeadQueue, 1);
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the other job to run");
    }

    /// <summary>The client then does not call the consumer, and the message would stay in its hands, unacked.</summary>
    [Fact]
    public async Task A_listener_to_the_clients_spans_that_throws_holds_up_no_job_for_good()
    {
        var thrown = 0;
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "RabbitMQ.Client.Subscriber",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) =>
                Interlocked.Increment(ref thrown) == 3 ? throw new InvalidOperationException("no sample") : ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(task: task));
        await Bench.Jobs(host).EnqueueManyAsync(Enumerable.Range(0, 10).Select(i => ProbeTask.Job($"{i}")), TestContext.Current.CancellationToken);

        await Eventually.BecomesAsync(() => task.Arguments.Select(a => a.Text).Distinct().Count() == 10, Soon, "all jobs to run");
        await bench.HoldsAsync(bench.Queue, 0);
    }

    [Theory]
    [InlineData("Jobs", "RabbitMQ.Client.Publisher", "RabbitMQ.Client.Subscriber")]
    [InlineData("RabbitMQ.Client.Publisher")]
    [InlineData("Jobs")]
    public async Task A_job_runs_in_its_callers_trace_also_when_the_client_library_is_traced(params string[] sources)
    {
        var clients = 0;
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => sources.Contains(source.Name),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStarted = span => Interlocked.Add(ref clients, span.Source.Name == "RabbitMQ.Client.Publisher" ? 1 : 0),
        };
        ActivitySource.AddActivityListener(listener);
        var traces = new List<(string Text, string? Trace)>();
        var task = new ProbeTask((context, text) =>
        {
            lock (traces)
            {
                traces.Add((text, (context.Headers["traceparent"] as string)?.Split('-')[1]));
            }

            return ValueTask.CompletedTask;
        });
        var host = await bench.StartedAsync(bench.Host(task: task));
        var expected = new List<(string, string?)>();
        foreach (var text in new[] { "a", "b", "c" })
        {
            using var caller = new Activity("caller").Start();
            expected.Add((text, caller.TraceId.ToHexString()));
            await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(text), TestContext.Current.CancellationToken);
        }

        await Eventually.BecomesAsync(() => task.Total == 3, Soon, "all jobs to run");
        Assert.Equal(expected, traces.OrderBy(t => t.Text, StringComparer.Ordinal));
        Assert.Equal(sources.Contains("RabbitMQ.Client.Publisher"), clients > 0);
    }
}
