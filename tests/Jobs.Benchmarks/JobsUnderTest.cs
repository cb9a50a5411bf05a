using System.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Benchmarks;

/// <summary>A host with dispatcher and worker, as a user would build it.</summary>
sealed class JobsUnderTest : ISide
{
    /// <summary>Of all that Jobs declares for itself, so that it can be deleted.</summary>
    public const string Prefix = "bench";

    readonly IHost host;
    readonly string text;

    JobsUnderTest(IHost host, BenchmarkOptions options)
    {
        this.host = host;
        text = options.Text();
    }

    public string Name => "Jobs";

    public List<double> StartLatencies => BenchTasks.StartLatencies;

    public JobTransport Transport => host.Services.GetRequiredService<JobTransport>();

    public IJobDispatcher Dispatcher => host.Services.GetRequiredService<IJobDispatcher>();

    public static async Task<JobsUnderTest> StartAsync(BenchmarkOptions options, bool worker = true)
    {
        var host = Build(options, worker, Prefix);
        await host.StartAsync();
        return new(host, options);
    }

    public static IHost Build(BenchmarkOptions options, bool worker, string prefix)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddJobs(jobs => Configure(jobs, options, worker, prefix));
        return builder.Build();
    }

    public static void Configure(JobsBuilder jobs, BenchmarkOptions options, bool worker, string prefix)
    {
        jobs.AddTasks().Configure(shared => (shared.DeadLetterQueue, shared.Events) = ($"{prefix}.dead", options.Events));
        if (options.InMemory)
        {
            jobs.UseInMemory();
        }
        else if (options.Sqlite is { } file)
        {
            jobs.UseSqlite(file);
        }
        else
        {
            jobs.UseRabbitMq(
                options.Broker, rabbit => (rabbit.Prefix, rabbit.PublishWindow, rabbit.ManagementUri) = (prefix, options.Window, options.Management));
        }

        if (worker)
        {
            jobs.AddWorker(settings =>
            {
                settings.Queues = [BenchTasks.Queue];
                settings.Concurrency = options.Concurrency ?? 16;
                settings.Prefetch = options.Prefetch;
            });
        }
    }

    public Task Expect(int count) => BenchTasks.Done.Start(count);

    public Task EnqueueManyAsync(int count) => Dispatcher.EnqueueManyAsync(Enumerable.Range(0, count).Select(_ => BenchJobs.Noop(text)));

    public Task EnqueueAsync() => Dispatcher.EnqueueAsync(BenchJobs.Stamp(Stopwatch.GetTimestamp(), text));

    /// <summary>Enqueues jobs whose results are awaited; completes when all have come.</summary>
    public async Task CallManyAsync(int count)
    {
        foreach (var handle in await Dispatcher.EnqueueManyAsync(Enumerable.Range(0, count).Select(_ => BenchJobs.Link(text) with { Result = true })))
        {
            await handle.GetResultAsync(Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Enqueues chains of three; completes when their last jobs have run.</summary>
    public async Task ChainsAsync(int count)
    {
        var done = Expect(count);
        await Dispatcher.EnqueueManyAsync(Enumerable.Range(0, count).Select(_ => BenchJobs.Link(text).Then(BenchSteps.Link()).Then(BenchSteps.Noop())));
        await done;
    }

    /// <summary>Enqueues a chain of three; completes when it is confirmed.</summary>
    public Task EnqueueChainAsync() => Dispatcher.EnqueueAsync(BenchJobs.Link(text).Then(BenchSteps.Link()).Then(BenchSteps.Noop()));

    /// <summary>Enqueues a job that enqueues the next one, and so on: three in all; completes when the first is confirmed.</summary>
    public Task EnqueueByHandAsync() => Dispatcher.EnqueueAsync(BenchJobs.Hand(text, 1));

    public async ValueTask DisposeAsync()
    {
        await host.StopAsync();
        host.Dispose();
    }
}
