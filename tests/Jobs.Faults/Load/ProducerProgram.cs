using System.Globalization;
using Jobs.Faults.Logs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Faults.Load;

/// <summary>A process that enqueues until it is killed: <c>producer URI FILE RUN NUMBER</c>.</summary>
static class ProducerProgram
{
    public const string Command = "producer";
    const int Callers = 64;

    public static async Task RunAsync(string uri, string name, int run, ushort number)
    {
        using var records = new RecordFile(name + ".bin");
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddJobs(jobs => jobs.UseSite(uri));
        using var host = builder.Build();
        await host.StartAsync();
        var dispatcher = host.Services.GetRequiredService<IJobDispatcher>();
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            while (true)
            {
                var key = new JobKey(run, number, Interlocked.Increment(ref next));
                records.Write(Said.Attempted, key);
                try
                {
                    await dispatcher.EnqueueAsync(LoadMix.Of(key));
                    records.Write(Said.Confirmed, key);
                }
                catch (JobPublishException e)
                {
                    records.Write(e.MaybeEnqueued ? Said.Unknown : Said.NotEnqueued, key);
                }
            }
        })));
    }

    public static (string File, string[] Arguments) Start(string uri, string name, int run, ushort number) =>
        OwnProcess.Start(Command, uri, name, run.ToString(CultureInfo.InvariantCulture), number.ToString(CultureInfo.InvariantCulture));
}
