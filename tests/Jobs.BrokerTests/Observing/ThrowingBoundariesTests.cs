using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Observing;

/// <summary>As in <c>Jobs.Tests</c>, over a broker, and over a lost connection. Alone: its listeners hear every host of the process.</summary>
[Collection(nameof(BrokerWideCollection))]
public sealed class ThrowingBoundariesTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(40);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    public static TheoryData<string> Boundaries => ThrowingCode.Boundaries;

    [Theory, MemberData(nameof(Boundaries))]
    public async Task A_boundary_that_throws_changes_nothing_about_any_job(string boundary)
    {
        using var throwing = new ThrowingCode(boundary);
        var proxy = bench.Proxy();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        throwing.AddTo(builder.Services, builder.Logging);
        var task = new ProbeTask((context, text) =>
        {
            ThrowingCode.TakeService(context);
            return text == "die" || (text == "retry" && context.Attempt == 1) ? throw new RetryJobException(TimeSpan.Zero) : ValueTask.CompletedTask;
        });
        builder.Services.AddJobs(jobs => jobs
            .UseRabbitMq(proxy.Through(brokers.Broker.AmqpUri).ToString(), rabbit => rabbit.Prefix = bench.Prefix)
            .Configure(o => (o.DefaultQueue, o.DeadLetterQueue, o.MaxRetries) = (bench.Queue, bench.DeadQueue, 1))
            .AddTask(task)
            .AddWorker(worker => worker.Concurrency = 2));
        using var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
        await EnqueueAsync("a");
        await Eventually.BecomesAsync(() => task.Total == 5, Soon, "all runs before the connection is lost");
        await bench.HoldsAsync(bench.DeadQueue, 1); // a letter whose confirm is lost with the connection is sent again, and would count twice
        proxy.ResetAll();
        await EnqueueAsync("b");
        await Eventually.BecomesAsync(() => task.Total == 10, Soon, "all runs");
        await bench.HoldsAsync(bench.DeadQueue, 2);
        await host.StopAsync(TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);

        Assert.Equal(["a-die", "b-die"], (await bench.DrainIdsAsync(bench.DeadQueue)).Keys.Order(StringComparer.Ordinal));
        await bench.HoldsAsync(bench.Queue, 0);
        Assert.Equal(10, task.Total);

        async Task EnqueueAsync(string round)
        {
            var dispatcher = Bench.Jobs(host);
            foreach (var text in new[] { "ok", "retry", "die" })
            {
                await dispatcher.EnqueueAsync(ProbeTask.Job(text) with { Id = $"{round}-{text}" }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
            }
        }
    }
}
