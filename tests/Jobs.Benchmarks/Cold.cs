using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace Jobs.Benchmarks;

/// <summary>
/// The first enqueues of a new host, which have to connect and to declare: a plain one; a delayed one, which needs the delay levels; and a plain one beside that
/// delayed one, to see whether it waits for the levels. Each with names that no host has used before, and again in a second host with the same names.
/// </summary>
static class Cold
{
    static readonly TimeSpan Delay = TimeSpan.FromHours(1);

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var rounds = options.Rounds ?? 5;
        Console.WriteLine($"{rounds} rounds, milliseconds until confirmed, median (min–max)");
        List<(string Row, bool Again, double Milliseconds)> times = [];
        for (var round = 0; round <= rounds; round++)
        {
            await TwiceAsync(ByHandAsync);
            await TwiceAsync(PlainAsync);
            await TwiceAsync(DelayedAsync);
            await TwiceAsync(ConnectedAsync);
            if (round == 0)
            {
                times.Clear(); // warm-up: JIT
            }
        }

        Console.WriteLine();
        Console.WriteLine($"{"",-62}{"first ever",26}{"all declared before",26}");
        foreach (var row in times.GroupBy(t => t.Row))
        {
            Console.WriteLine($"{row.Key,-62}{Of(row, again: false),26}{Of(row, again: true),26}");
        }

        async Task TwiceAsync(Func<BenchmarkOptions, string, Task<IEnumerable<(string Row, double Milliseconds)>>> measureAsync)
        {
            var prefix = $"bench.cold.{Guid.NewGuid().ToString("N")[..12]}"; // a prefix has at most 40 characters
            try
            {
                foreach (var again in new[] { false, true })
                {
                    times.AddRange((await measureAsync(options, prefix)).Select(t => (t.Row, again, t.Milliseconds)));
                }
            }
            finally
            {
                await BrokerResources.DeleteAllAsync(options.Broker, prefix, Queue(prefix));
            }

            await Task.Delay(TimeSpan.FromSeconds(1)); // let the nodes finish what they delete
        }

        static string Of(IEnumerable<(string Row, bool Again, double Milliseconds)> row, bool again) =>
            Spread.Of(row.Where(t => t.Again == again).Select(t => t.Milliseconds)).ToString("0");
    }

    static string Queue(string prefix) => $"{prefix}.jobs";

    static async Task<IEnumerable<(string, double)>> ByHandAsync(BenchmarkOptions options, string prefix)
    {
        var start = Stopwatch.GetTimestamp();
        await using var connection = await new ConnectionFactory { Uri = new(options.Broker) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new(true, true));
        await channel.QueueDeclareAsync(Queue(prefix), true, false, false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
        await channel.BasicPublishAsync("", Queue(prefix), mandatory: true, new BasicProperties { DeliveryMode = DeliveryModes.Persistent }, new byte[options.Body]);
        return [("by hand: connect, declare one quorum queue, publish", Milliseconds(start))];
    }

    static async Task<IEnumerable<(string, double)>> PlainAsync(BenchmarkOptions options, string prefix)
    {
        using var host = JobsUnderTest.Build(options, worker: false, prefix);
        var start = Stopwatch.GetTimestamp();
        await host.StartAsync();
        var plain = await EnqueueAsync(host, options, prefix, start, delay: null);
        await host.StopAsync();
        return [("new host: plain enqueue", plain)];
    }

    static async Task<IEnumerable<(string, double)>> DelayedAsync(BenchmarkOptions options, string prefix)
    {
        using var host = JobsUnderTest.Build(options, worker: false, prefix);
        var start = Stopwatch.GetTimestamp();
        await host.StartAsync();
        var delayed = EnqueueAsync(host, options, prefix, start, Delay);
        var plain = EnqueueAsync(host, options, prefix, start, delay: null);
        await Task.WhenAll(delayed, plain);
        await host.StopAsync();
        return [("new host: delayed enqueue", await delayed), ("new host: plain enqueue at the moment of the delayed one", await plain)];
    }

    static async Task<IEnumerable<(string, double)>> ConnectedAsync(BenchmarkOptions options, string prefix)
    {
        using var host = JobsUnderTest.Build(options, worker: false, prefix);
        await host.StartAsync();
        await EnqueueAsync(host, options, prefix, Stopwatch.GetTimestamp(), delay: null);
        var start = Stopwatch.GetTimestamp();
        var delayed = EnqueueAsync(host, options, prefix, start, Delay);
        var plain = EnqueueAsync(host, options, prefix, start, delay: null);
        await Task.WhenAll(delayed, plain);
        await host.StopAsync();
        return [("connected host: first delayed enqueue", await delayed), ("connected host: plain enqueue at the moment of the delayed one", await plain)];
    }

    static async Task<double> EnqueueAsync(IHost host, BenchmarkOptions options, string prefix, long start, TimeSpan? delay)
    {
        await host.Services.GetRequiredService<IJobDispatcher>().EnqueueAsync(BenchJobs.Noop(options.Text()) with { Queue = Queue(prefix), Delay = delay });
        return Milliseconds(start);
    }

    static double Milliseconds(long start) => Stopwatch.GetElapsedTime(start).TotalMilliseconds;
}
