using System.Globalization;
using System.Text;
using Jobs.Brokers;
using Jobs.RabbitMQ;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Faults.Beats;

/// <summary>
/// Three beats with schedules that fire every second; whichever leads is killed, paused, cut off or loses its broker node, again and again. Then every occurrence is accounted for.
/// </summary>
sealed class BeatProof(CommandLine line, LocalCluster cluster, string folder, int deaths, int schedules)
{
    const int Beats = 3;
    static readonly TimeSpan patience = TimeSpan.FromMinutes(2);
    static readonly TimeSpan poll = TimeSpan.FromMilliseconds(10);

    readonly Random random = new(line.Seed);
    readonly BeatProcess[] beats = [.. Enumerable.Range(0, Beats).Select(i => new BeatProcess(i, cluster, schedules, folder))];
    readonly SortedDictionary<string, List<double>> handOvers = new(StringComparer.Ordinal);
    readonly OccurrenceBook book = new();

    public static async Task<bool> RunAsync(CommandLine line)
    {
        const int Schedules = 200;
        var folder = Directory.CreateTempSubdirectory("jobs-beats-").FullName;
        await using var cluster = await LocalCluster.StartAsync(settings: "queue_leader_locator = balanced");
        var proof = new BeatProof(line, cluster, folder, line.Deaths, Schedules);
        var passed = await proof.RunAsync();
        if (passed)
        {
            Directory.Delete(folder, recursive: true);
        }
        else
        {
            Console.WriteLine($"The logs are in {folder}.");
        }

        return passed;
    }

    async Task<bool> RunAsync()
    {
        var begun = DateTime.UtcNow;
        using var worker = Worker();
        await worker.StartAsync();
        try
        {
            await Task.WhenAll(beats.Select(beat => beat.StartAsync()));
            await UntilAsync(() => book.Reached(schedules) > 0, "all schedules to fire");
            for (var death = 1; death <= deaths; death++)
            {
                await OneDeathAsync(death);
            }

            // All of them on their feet, and every occurrence up to now.
            var end = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
            await UntilAsync(() => book.Reached(schedules) >= end, "every schedule to reach the end");
            await Task.WhenAll(beats.Select(beat => beat.KillAsync()));
            var runs = -1;
            await Eventually.BecomesAsync(
                async () =>
                {
                    var before = runs;
                    runs = book.Runs;
                    await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
                    return before == runs;
                },
                patience,
                "the queue to be empty");
        }
        finally
        {
            await worker.StopAsync();
            foreach (var beat in beats)
            {
                await beat.DisposeAsync();
            }
        }

        return Report(begun);
    }

    async Task OneDeathAsync(int death)
    {
        await Task.Delay(TimeSpan.FromSeconds(random.NextDouble()), TimeProvider.System); // any moment between two occurrences
        BeatProcess leader = null!;
        await UntilAsync(() => Leader() is { } found && beats.Count(beat => beat.IsUp) > 1 && (leader = found) is not null, "a leader, and one to follow it");
        var kind = random.Next(100) switch { < 55 => "kill -9", < 75 => "cut connection", < 84 => "SIGTERM", < 96 => "SIGSTOP past the heartbeat", _ => "broker node killed" };
        var node = leader.Node;
        var at = DateTime.UtcNow;
        switch (kind)
        {
            case "kill -9": await leader.KillAsync(); break;
            case "cut connection": leader.Cut(); break;
            case "SIGTERM": leader.Stop(); break;
            case "SIGSTOP past the heartbeat": leader.Pause(); break;
            default: await cluster.KillAsync(node); break;
        }

        await UntilAsync(() => Leads(at), $"a leader after {kind}");
        var next = beats.Where(beat => !beat.IsPaused && beat.LeadsSince > at).Min(beat => beat.LeadsSince!.Value);
        (handOvers.TryGetValue(kind, out var times) ? times : handOvers[kind] = []).Add((next - at).TotalSeconds);
        if (death % 20 == 0 || kind == "broker node killed")
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss} {death} of {deaths} leaders died, the last by {kind}: {(next - at).TotalSeconds:0.000} s"));
        }

        if (kind == "SIGTERM")
        {
            await UntilAsync(() => !leader.IsRunning, "a leader to end after SIGTERM"); // it has handed over, and drains
        }

        if (!leader.IsRunning)
        {
            await leader.StartAsync();
        }

        if (leader.IsPaused)
        {
            leader.Resume();
        }

        if (!cluster.Nodes[node].IsRunning)
        {
            await cluster.StartAsync(node);
            await cluster.AllRunAsync();
        }
    }

    bool Leads(DateTime after)
    {
        foreach (var beat in beats)
        {
            beat.Read();
        }

        return beats.Any(beat => !beat.IsPaused && beat.LeadsSince > after);
    }

    /// <summary>The latest, when two believe it.</summary>
    BeatProcess? Leader()
    {
        Leads(default);
        return beats.Where(beat => beat.LeadsSince is not null).MaxBy(beat => beat.LeadsSince);
    }

    IHost Worker()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(book);
        var hosts = string.Join(',', cluster.AmqpUris.Select(uri => $"{uri.Host}:{uri.Port}"));
        builder.Services.AddJobs(jobs => jobs
            .UseRabbitMq($"amqp://guest:guest@{hosts}/")
            .AddTasks<BeatTasks>()
            .AddWorker(options =>
            {
                options.Queues = [BeatProgram.Queue];
                options.Concurrency = 8;
                options.Prefetch = 256;
            }));
        return builder.Build();
    }

    bool Report(DateTime begun)
    {
        var (occurrences, ids, missing, twice, lateness) = book.Account();
        var bound = deaths * schedules; // each death leaves at most the occurrence of the moment of each schedule in doubt
        var passed = missing.Count == 0 && ids == occurrences && twice <= bound;
        var text = new StringBuilder();
        Line($"## {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC, beats: {(passed ? "passed" : "FAILED")}");
        Line($"");
        Line($"`{line.Text}` with seed {line.Seed}, {(DateTime.UtcNow - begun).TotalMinutes:0.0} minutes. {Beats} beats, {schedules} schedules that fire every second (misfire policy `All`), heartbeat {BeatProgram.Heartbeat.TotalSeconds:0} s, three nodes of rabbitmq-server as processes, {Environment.ProcessorCount} processors.");
        Line($"");
        Line($"| Occurrences | **Missing** | Job ids | Ids that ran more than once (bound) | Late, s (p50 / p99 / max) |");
        Line($"|---|---|---|---|---|");
        Line($"| {occurrences:n0} | **{missing.Count:n0}** | {ids:n0} | {twice:n0} ({bound:n0}) | {Three(lateness)} |");
        Line($"");
        Line($"| The leader's death | Times | Hand-over, s (p50 / p99 / max) |");
        Line($"|---|---|---|");
        foreach (var (kind, times) in handOvers)
        {
            Line($"| {kind} | {times.Count} | {Three([.. times.Order()])} |");
        }

        Line($"| all | {handOvers.Values.Sum(times => times.Count)} | {Three([.. handOvers.Values.SelectMany(times => times).Order()])} |");
        Line($"");
        Line($"Hand-over: from the fault until another beat (or the same on a new connection) has read the journal and fires. As many job ids as occurrences: every occurrence has exactly one, so an effect that is keyed by the id of its job happens once, however often the job runs.");
        foreach (var occurrence in missing.Take(20))
        {
            Line($"* missing: {occurrence}");
        }

        Console.WriteLine(text);
        if (line.Record is { } file)
        {
            File.AppendAllText(file, text.ToString() + Environment.NewLine);
        }

        return passed;

        void Line(FormattableString what) => text.AppendLine(what.ToString(CultureInfo.InvariantCulture));
    }

    static string Three(IReadOnlyList<double> sorted) => sorted.Count == 0
        ? "–"
        : string.Create(CultureInfo.InvariantCulture, $"{At(sorted, 0.5):0.000} / {At(sorted, 0.99):0.000} / {sorted[^1]:0.000}");

    static double At(IReadOnlyList<double> sorted, double share) => sorted[Math.Min(sorted.Count - 1, (int)Math.Ceiling(share * sorted.Count) - 1)];

    static async Task UntilAsync(Func<bool> condition, string what)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            if (TimeProvider.System.GetElapsedTime(begun) > patience)
            {
                throw new TimeoutException($"Waited {patience.TotalSeconds:0} s for {what}.");
            }

            await Task.Delay(poll, TimeProvider.System);
        }
    }
}
