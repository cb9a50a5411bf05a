using System.Globalization;
using Jobs.Faults.Logs;
using Jobs.Faults.Sites;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Faults.Load;

/// <summary>What a worker process does: <c>worker URI FILE</c>, where FILE is what its logs are called, without extensions.</summary>
static class WorkerProgram
{
    public const string Command = "worker";

    /// <summary>Any worker process, in the records of memory.</summary>
    public const int Process = 1;
    public const int Concurrency = 32;
    public const int Prefetch = 64;

    // A sixth of the default: what only the watchdog can notice is to be over before the next fault.
    static readonly TimeSpan watchdogInterval = TimeSpan.FromSeconds(5);

    public static async Task RunAsync(string uri, string name)
    {
        using var records = new RecordFile(name + ".bin");
        using var logger = new FileLogger(name + ".log", records, Process);
        records.Write(Said.Boot, Environment.ProcessId);

        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Logging.AddProvider(logger);
        builder.Logging.AddFilter("Jobs.Control", LogLevel.Debug); // who is the keeper
        builder.Services.AddSingleton(records);
        builder.Services.AddSingleton(SqliteSite.Is(uri) ? new WrongClock(SqliteSite.ClockOf(uri)) : TimeProvider.System);
        builder.Services.AddJobs(jobs => jobs
            .UseSite(uri, options => options.WatchdogInterval = watchdogInterval)
            .AddTasks<LoadTasks>()
            .AddWorker(options =>
            {
                options.Queues = [.. LoadQueues.All];
                options.Concurrency = Concurrency;
                options.Prefetch = Prefetch;
            }));
        using var host = builder.Build();

        await host.StartAsync();
        records.Write(Said.Ready);
        using var sampling = new Timer(_ => records.WriteMemory(Process), null, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5));
        await host.WaitForShutdownAsync();
        await sampling.DisposeAsync();
        records.Write(Said.Stopped);
    }

    /// <summary>The command line of a worker process.</summary>
    public static (string File, string[] Arguments) Start(string uri, string name) => OwnProcess.Start(Command, uri, name);

    public static string Description => string.Create(CultureInfo.InvariantCulture, $"{Concurrency} jobs at a time and a prefetch of {Prefetch} for each of {LoadQueues.All.Count} queues, watched every {watchdogInterval.TotalSeconds} s");
}
