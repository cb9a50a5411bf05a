using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>
/// A worker in a process of its own, for what only the death of a process shows: SIGKILL runs no line of ours, and the broker learns of it from the socket alone.
/// Its jobs are <see cref="ProbeTask"/>'s. One of the text <c>hang</c> never ends; one of <c>block</c> blocks its thread for as long as it takes a broker to miss heartbeats.
/// </summary>
sealed class WorkerProcess : IAsyncDisposable
{
    public const string Verb = "worker";

    /// <summary>Several times a heartbeat of two seconds.</summary>
    static readonly TimeSpan Blocking = TimeSpan.FromSeconds(15);

    readonly Process process;

    WorkerProcess(Process process) => this.process = process;

    /// <summary>Ids of jobs that have begun, and of those that have come to their end, in order.</summary>
    public ConcurrentQueue<string> Begun { get; } = new();

    /// <inheritdoc cref="Begun"/>
    public ConcurrentQueue<string> Ended { get; } = new();

    /// <param name="bench">Its broker and queues.</param>
    /// <param name="concurrency">How many jobs at a time.</param>
    /// <param name="prefetch">How many jobs in hand.</param>
    /// <param name="maxDeliveries">When a suspect is dead.</param>
    /// <param name="processors">How many the runtime may believe there are; 0 for as many as there are.</param>
    /// <param name="heartbeat">In seconds.</param>
    /// <param name="uri">Of the broker, when it is not the bench's.</param>
    /// <param name="trusted">A file of certificates, instead of the system's.</param>
    public static WorkerProcess Start(Bench bench, int concurrency, int prefetch, int maxDeliveries, int processors = 0, int heartbeat = 10, string? uri = null, string? trusted = null)
    {
        string[] numbers = [.. new[] { concurrency, prefetch, maxDeliveries, heartbeat }.Select(n => n.ToString(CultureInfo.InvariantCulture))];
        string[] arguments = [typeof(WorkerProcess).Assembly.Location, Verb, uri ?? bench.Broker.AmqpUri.ToString(), bench.Prefix, bench.Queue, bench.DeadQueue, .. numbers];
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (processors > 0)
        {
            start.Environment["DOTNET_PROCESSOR_COUNT"] = processors.ToString(CultureInfo.InvariantCulture);
        }

        if (trusted is not null)
        {
            start.Environment["SSL_CERT_FILE"] = trusted;
        }

        var process = Process.Start(start)!;
        var worker = new WorkerProcess(process);
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.Split(' ', 2) is [var what, var id])
            {
                (what == "begin" ? worker.Begun : worker.Ended).Enqueue(id);
            }
        };
        process.BeginOutputReadLine();
        return worker;
    }

    public bool HasExited => process.HasExited;

    /// <summary>SIGKILL.</summary>
    /// <returns>The exit code, when all that it had written is read.</returns>
    public async Task<int> KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync(CancellationToken.None);
        return process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        process.Dispose();
    }

    /// <summary>What runs in that process.</summary>
    public static async Task<int> RunAsync(string[] options)
    {
        var numbers = options[4..].Select(o => int.Parse(o, CultureInfo.InvariantCulture)).ToArray();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.None);
        builder.Services.AddJobs(jobs => jobs
            .UseRabbitMq(options[0], rabbit => (rabbit.Prefix, rabbit.Heartbeat) = (options[1], TimeSpan.FromSeconds(numbers[3])))
            .Configure(all => (all.DefaultQueue, all.DeadLetterQueue) = (options[2], options[3]))
            .AddTask(new ProbeTask(RunOneAsync))
            .AddWorker(worker => (worker.Concurrency, worker.Prefetch, worker.MaxDeliveries) = (numbers[0], numbers[1], numbers[2])));
        using var host = builder.Build();
        await host.StartAsync();
        await Console.In.ReadToEndAsync(); // ends when whoever started this process is gone
        return 0;

        static async ValueTask RunOneAsync(JobContext context, string text)
        {
            Say("begin", context.Id);
            if (text == "hang")
            {
                await Task.Delay(Timeout.Infinite, CancellationToken.None);
            }

            if (text == "block")
            {
                new ManualResetEventSlim().Wait(Blocking, CancellationToken.None);
            }

            Say("end", context.Id);
        }

        static void Say(string what, string id)
        {
            Console.Out.WriteLine($"{what} {id}");
            Console.Out.Flush();
        }
    }
}
