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
        var (next, calls) = (0, 0);
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            while (true)
            {
                var isChain = LoadMix.IsChain(Interlocked.Increment(ref calls));
                var count = isChain ? LoadMix.Links : 1;
                var key = new JobKey(run, number, Interlocked.Add(ref next, count) - count);
                Say(Said.Attempted);
                try
                {
                    await (isChain ? dispatcher.EnqueueAsync((Chain)LoadMix.Chain(key)) : dispatcher.EnqueueAsync(LoadMix.Of(key)));
                    Say(Said.Confirmed);
                }
                catch (JobPublishException e)
                {
                    Say(e.MaybeEnqueued ? Said.Unknown : Said.NotEnqueued);
                }

                void Say(Said said)
                {
                    for (var i = 0; i < count; i++)
                    {
                        records.Write(said, key with { Number = key.Number + i });
                    }
                }
            }
        })));
    }

    public static (string File, string[] Arguments) Start(string uri, string name, int run, ushort number) =>
        OwnProcess.Start(Command, uri, name, run.ToString(CultureInfo.InvariantCulture), number.ToString(CultureInfo.InvariantCulture));
}
