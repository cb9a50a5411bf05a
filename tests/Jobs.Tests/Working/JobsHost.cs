using Jobs.Contracts;
using Jobs.Transport;
using Jobs.Wire;
using Jobs.Working;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>A host with a worker on the in-memory transport, a clock that the test moves, and a window on everything that passes.</summary>
sealed class JobsHost : IAsyncDisposable
{
    readonly IHost host;
    readonly InMemoryTransport memory;
    JobSubscription? dead;
    Task? stopping;
    bool started;

    JobsHost(IHost host, FakeTimeProvider clock, InMemoryTransport memory, FaultyTransport transport, CapturedLogs logs) =>
        (this.host, Clock, this.memory, Transport, Logs) = (host, clock, memory, transport, logs);

    public FakeTimeProvider Clock { get; }

    public FaultyTransport Transport { get; }

    public CapturedLogs Logs { get; }

    public IServiceProvider Services => host.Services;

    public IJobDispatcher Dispatcher => host.Services.GetRequiredService<IJobDispatcher>();

    /// <summary>Jobs in the worker's hands that wait for a slot.</summary>
    public int Waiting => Services.GetRequiredService<WorkerProgress>().Lanes.Waiting;

    /// <summary>A host that is not started yet.</summary>
    public static JobsHost Create(Action<JobsBuilder> configure, IEnumerable<KeyValuePair<string, string?>>? settings = null)
    {
        var clock = new FakeTimeProvider(new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var memory = new InMemoryTransport(clock);
        var transport = new FaultyTransport(memory);
        var logs = new CapturedLogs();
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Logging.SetMinimumLevel(LogLevel.Trace).AddProvider(logs);
        builder.Services.AddSingleton<TimeProvider>(clock);
        builder.Services.AddJobs(jobs =>
        {
            jobs.UseTransport(_ => transport);
            configure(jobs);
        });
        return new(builder.Build(), clock, memory, transport, logs);
    }

    /// <summary>A running host with a worker and these tasks.</summary>
    public static Task<JobsHost> StartAsync(params TestTask[] tasks) => StartAsync(_ => { }, tasks);

    /// <inheritdoc cref="StartAsync(TestTask[])"/>
    public static async Task<JobsHost> StartAsync(Action<JobsBuilder> configure, params TestTask[] tasks)
    {
        var host = Create(jobs =>
        {
            jobs.AddWorker(worker => worker.Concurrency = 4);
            foreach (var task in tasks)
            {
                jobs.AddTask(task);
            }

            configure(jobs);
        });
        await host.StartAsync();
        return host;
    }

    public async Task StartAsync()
    {
        await host.StartAsync(TestContext.Current.CancellationToken).Soon();
        started = true;
    }

    /// <summary>Begins to stop; the drain deadline runs on <see cref="Clock"/>.</summary>
    public Task StopAsync() => stopping ??= host.StopAsync(CancellationToken.None);

    public Task<JobHandle> EnqueueAsync(Job job) => Dispatcher.EnqueueAsync(job, TestContext.Current.CancellationToken).Soon();

    public Task<JobHandle> EnqueueAsync(string task, string? id = null) => EnqueueAsync(new Job(task) { Id = id });

    /// <summary>Puts a message into a queue as a foreign sender would.</summary>
    public ValueTask SendAsync(JobMessage message, string queue = "jobs") => memory.PublishAsync(new Outgoing(queue, message), Timeout.InfiniteTimeSpan, CancellationToken.None);

    public Task<long> CountAsync(string queue = "jobs") => memory.CountAsync(queue, CancellationToken.None);

    /// <summary>Waits until the job has been acked, and nothing else.</summary>
    public async Task AckedAsync(string id, int times = 1)
    {
        await Wait.Until(() => Verbs(id).Count() >= times);
        Assert.All(Verbs(id), verb => Assert.Equal(FaultStep.Ack, verb));
    }

    public IEnumerable<FaultStep> Verbs(string id) => Transport.Settled.Where(s => s.Message.CorrelationId == id).Select(s => s.Verb);

    /// <summary>The copies of a job in the order in which they were published.</summary>
    public PublishRecord[] Published(string id) => [.. Transport.Published.Where(p => p.Message.CorrelationId == id).OrderBy(p => p.Number)];

    /// <summary>The next dead letter.</summary>
    public async Task<JobMessage> DeadLetterAsync()
    {
        dead ??= await memory.SubscribeAsync(new() { Queues = ["jobs.dead"], Prefetch = ushort.MaxValue }, CancellationToken.None);
        return (await dead.NextAsync().Soon())!.Message;
    }

    /// <summary>Moves the clock on until the condition holds.</summary>
    public async Task AdvanceUntil(Func<bool> condition, TimeSpan step)
    {
        await Wait.Until(() =>
        {
            if (!condition())
            {
                Clock.Advance(step);
            }

            return condition();
        });
    }

    public async ValueTask DisposeAsync()
    {
        var stop = started ? StopAsync() : Task.CompletedTask; // .NET's host cannot stop when its services could not be made
        await AdvanceUntil(() => stop.IsCompleted, TimeSpan.FromSeconds(1));
        await stop;
        host.Dispose();
    }
}
