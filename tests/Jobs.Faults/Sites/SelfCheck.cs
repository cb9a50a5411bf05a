using System.Diagnostics;
using System.Globalization;
using System.Text;
using Jobs.Faults.Faults;
using Jobs.Faults.Load;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.Faults.Sites;

/// <summary>
/// Does each fault once to a site with next to no load, and heals it: proves the site and its faults, not the product.
/// <c>self-check docker|processes|URI [seed] [full] [fault…]</c>
/// </summary>
static class SelfCheck
{
    const string Queue = "self-check.jobs";
    const string Victim = "self-check.victim";

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        var broker = arguments.Count == 0 ? "processes" : arguments[0];
        var seed = arguments.Count > 1 && int.TryParse(arguments[1], CultureInfo.InvariantCulture, out var given) ? given : 1;
        var names = arguments.Skip(1).Where(argument => !int.TryParse(argument, CultureInfo.InvariantCulture, out _)).ToHashSet();
        var full = names.Remove("full");
        var watch = Stopwatch.StartNew();
        Say($"starting {broker}");
        await using var site = await Site.StartAsync(broker);
        Say($"{site.Description}, seed {seed}");

        var failures = 0;
        foreach (var fault in full ? AllFaults.Full : AllFaults.Quick)
        {
            if (names.Count > 0 && !names.Contains(fault.Name))
                continue;
            if (!fault.CanBeDoneTo(site))
            {
                Say($"{fault.Name}: not on this site");
                continue;
            }

            try
            {
                await CheckAsync(site, fault, new Random(seed));
            }
            catch (Exception exception)
            {
                failures++;
                Say($"FAILED {fault.Name}: {exception}");
            }
        }

        if (names.Count == 0 && site is { OwnsNodes: true, Management: { } management })
        {
            try
            {
                await CheckLeadersMoveAsync(site, management);
            }
            catch (Exception exception)
            {
                failures++;
                Say($"FAILED move of a leader: {exception}");
            }
        }

        Say($"{failures} failures");
        return failures == 0 ? 0 : 1;

        async Task CheckAsync(Site site, Fault fault, Random random)
        {
            await using var clients = await SmallLoad.StartAsync(site, Queue, Victim);
            var context = new FaultContext(site, new WorkerFleet(), [Queue], random, SayAndCount) { VictimQueue = Victim };
            var before = clients.Confirmed;
            var time = Stopwatch.StartNew();
            await fault.InflictAsync(context, CancellationToken.None);
            var mended = time.Elapsed;
            var during = clients.Confirmed - before;
            await site.HealAsync(Console.WriteLine);
            var healed = time.Elapsed;
            before = clients.Confirmed;
            await Jobs.Brokers.Eventually.BecomesAsync(() => clients.Confirmed > before, TimeSpan.FromSeconds(30), "a publish after healing to be confirmed");
            Say(string.Create(CultureInfo.InvariantCulture,
                $"OK {fault.Name}: mended {mended.TotalSeconds:F1} s, healed {healed.TotalSeconds:F1} s, next confirm {time.Elapsed.TotalSeconds:F1} s; {during} confirmed meanwhile, {clients.Breaks} breaks"));
        }

        async Task CheckLeadersMoveAsync(Site site, SiteManagement management)
        {
            var before = await management.LeaderOfAsync(Queue) ?? throw new InvalidOperationException($"{Queue} has no leader.");
            await site.MoveLeadersAsync([new(Queue, 0)], Say);
            await Jobs.Brokers.Eventually.BecomesAsync(
                async () => await management.LeaderOfAsync(Queue) is { } after && after != before, TimeSpan.FromSeconds(30), $"{Queue} to have another leader than {before}");
            Say("OK move of a leader");
        }

        // Alone on the site nothing may be in the way of a fault.
        void SayAndCount(string line)
        {
            Say(line);
            if (line.Contains("did not succeed", StringComparison.Ordinal) || line.Contains("nothing there to break", StringComparison.Ordinal))
                failures++;
        }

        void Say(string line) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{watch.Elapsed.TotalSeconds,7:F1} {line}"));
    }

    /// <summary>Four clients that publish slowly and connect again after whatever.</summary>
    sealed class SmallLoad : IAsyncDisposable
    {
        readonly CancellationTokenSource stopping = new();
        Task clients = Task.CompletedTask;
        int confirmed;
        int breaks;

        public int Confirmed => Volatile.Read(ref confirmed);

        public int Breaks => Volatile.Read(ref breaks);

        public static async Task<SmallLoad> StartAsync(Site site, params string[] queues)
        {
            var load = new SmallLoad();
            load.clients = Task.WhenAll(Enumerable.Range(0, 4).Select(number => Task.Run(() => load.RunAsync(site, queues[number % queues.Length]))));
            await Jobs.Brokers.Eventually.BecomesAsync(() => load.Confirmed >= 20, TimeSpan.FromSeconds(60), "20 confirms");
            // The management API knows of a connection some seconds after it was made.
            if (site.Management is { } management)
                await Jobs.Brokers.Eventually.BecomesAsync(async () => (await management.ConnectionsAsync()).Count > 0, TimeSpan.FromSeconds(30), "a connection to be listed");
            return load;
        }

        public async ValueTask DisposeAsync()
        {
            await stopping.CancelAsync();
            await clients;
            stopping.Dispose();
        }

        async Task RunAsync(Site site, string queue)
        {
            while (!stopping.IsCancellationRequested)
            {
                try
                {
                    await PublishAsync(site, queue);
                }
                catch (Exception exception) when (exception is RabbitMQClientException or IOException or OperationCanceledException or TimeoutException or ObjectDisposedException)
                {
                    Interlocked.Increment(ref breaks);
                    await Task.Delay(200);
                }
            }
        }

        async Task PublishAsync(Site site, string queue)
        {
            var factory = new ConnectionFactory
            {
                Uri = new Uri(site.ClientUri),
                AutomaticRecoveryEnabled = false,
                RequestedHeartbeat = TimeSpan.FromSeconds(4),
                ContinuationTimeout = TimeSpan.FromSeconds(8),
                HandshakeContinuationTimeout = TimeSpan.FromSeconds(4),
            };
            using var first = Deadline(10);
            var connection = await factory.CreateConnectionAsync(first.Token);
            try
            {
                var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), first.Token);
                await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false,
                    new Dictionary<string, object?> { ["x-queue-type"] = "quorum", ["x-max-length"] = 1000 }, cancellationToken: first.Token);
                while (true)
                {
                    using var deadline = Deadline(5);
                    await channel.BasicPublishAsync("", queue, mandatory: true, Encoding.UTF8.GetBytes("job"), deadline.Token);
                    Interlocked.Increment(ref confirmed);
                    await Task.Delay(50, deadline.Token);
                }
            }
            finally
            {
                try
                {
                    await connection.AbortAsync(TimeSpan.FromSeconds(1)).WaitAsync(TimeSpan.FromSeconds(2));
                }
                catch (Exception exception) when (exception is TimeoutException or OperationCanceledException or RabbitMQClientException or IOException)
                {
                    // Broken, which is what we are here for.
                }
            }
        }

        CancellationTokenSource Deadline(double seconds)
        {
            var source = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
            source.CancelAfter(TimeSpan.FromSeconds(seconds));
            return source;
        }
    }
}
