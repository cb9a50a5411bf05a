using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Jobs.Control;
using Jobs.RabbitMQ;
using Jobs.Sqlite;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Jobs.Benchmarks;

/// <summary>
/// The keeper with many dead letters: what it writes, how fast it answers, and what is lost when its process is killed
/// (SIGKILL) again and again while dead letters and requests come.
/// </summary>
static class KeeperDeaths
{
    const int AtOnce = 500;
    const int Reads = 200;
    const int DeathsPerCheck = 10; // of every id; the counts and the newest ids are looked at after each death
    static readonly TimeSpan patience = TimeSpan.FromMinutes(2);
    static readonly TimeSpan betweenLetters = TimeSpan.FromMilliseconds(20);
    static readonly TimeSpan beforeDeath = TimeSpan.FromMilliseconds(500);

    public static JobsOptions Jobs { get; } = new() { DeadLetterQueue = $"{JobsUnderTest.Prefix}.dead" };

    public static JobTransport Transport(BenchmarkOptions options, TimeProvider? clock = null) => options.Sqlite is { } file
        ? new SqliteTransport(
            Options.Create(new SqliteOptions { File = file }), clock ?? TimeProvider.System,
            NullLogger<SqliteTransport>.Instance, Options.Create(Jobs))
        : new RabbitMqTransport(
            Options.Create(new RabbitMqOptions { Uri = options.Broker, Prefix = JobsUnderTest.Prefix }), Options.Create(Jobs), TimeProvider.System,
            NullLogger<RabbitMqTransport>.Instance, new());

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var directory = Directory.CreateTempSubdirectory("jobs-bench-");
        try
        {
            options = options.Sqlite is null ? options : options with { Sqlite = Path.Combine(directory.FullName, "keeper.db") };
            await using var transport = Transport(options);
            await using var journal = transport.OpenJournal(KeeperRecord.JournalOf(Jobs.DeadLetterQueue));
            await using var run = new Run(options, transport, journal);
            await run.FillAsync();
            await run.ReadAsync();
            await run.KillAsync();
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    sealed class Run(BenchmarkOptions options, JobTransport transport, JobJournal journal) : IAsyncDisposable
    {
        readonly List<Keeper> keepers = [];
        readonly ConcurrentDictionary<string, bool> settled = new(); // the ids; true when the call returned
        readonly List<string> requests = [];
        long entryBytes;
        long journalBytes;
        int made;

        public async Task FillAsync()
        {
            await StandByAsync();
            await StandByAsync();
            var start = Stopwatch.GetTimestamp();
            while (made < options.Entries)
            {
                await SettleAsync(Math.Min(AtOnce, options.Entries - made));
            }

            await TotalAsync(made);
            var took = Stopwatch.GetElapsedTime(start);
            await Task.Delay(TimeSpan.FromSeconds(2)); // what it still rewrites
            var leader = Leader().Process;
            leader.Refresh();
            Print($"{made:n0} dead letters settled and in the index after {took.TotalSeconds:0.0} s: their entries have {entryBytes / 1e6:0.0} MB; written to the journal {JournalBytes() / 1e6:0.0} MB, {(double)JournalBytes() / entryBytes:0.00} times as much");
            Print($"the keeper's process has {leader.WorkingSet64 / 1e6:0} MB");
        }

        public async Task ReadAsync()
        {
            using var host = JobsUnderTest.Build(options, worker: false, JobsUnderTest.Prefix);
            await host.StartAsync();
            var inspector = host.Services.GetRequiredService<JobInspector>();
            var random = new Random(3);
            List<string?> places = [null];
            do
            {
                places.Add((await inspector.DeadLettersAsync(new(), 1000, places[^1])).Next);
            }
            while (places[^1] is not null);

            Print($"reads from another process, {Reads} of each:");
            await TimeAsync("the newest page", () => inspector.DeadLettersAsync(new()));
            await TimeAsync("a page anywhere", () => inspector.DeadLettersAsync(new(), after: places[random.Next(places.Count - 1)]));
            await TimeAsync("the last page", () => inspector.DeadLettersAsync(new(), after: places[^2]));
            await TimeAsync("a page of one task", () => inspector.DeadLettersAsync(new() { Task = "bench.task7" }));
            await TimeAsync("a page by text", () => inspector.DeadLettersAsync(new() { Text = "TIMED out 77" }));
            await TimeAsync("a letter by its id", () => inspector.DeadLettersAsync(new() { Ids = [$"letter-{random.Next(options.Entries)}"] }));
            await TimeAsync("the count", () => inspector.DeadLettersAsync(new(), 1));
            await TimeAsync("groups", () => inspector.DeadLetterGroupsAsync(new()));
            await TimeAsync("groups of one queue", () => inspector.DeadLetterGroupsAsync(new() { Queue = "bench.q1" }));
            var leader = Leader().Process;
            leader.Refresh();
            Print($"the keeper's process has {leader.WorkingSet64 / 1e6:0} MB after them");
            await host.StopAsync();
        }

        public async Task KillAsync()
        {
            using var stop = new CancellationTokenSource();
            var feeding = FeedAsync(stop.Token);
            List<double> times = [];
            for (var death = 1; death <= options.Deaths; death++)
            {
                await Task.Delay(beforeDeath);
                if (death % DeathsPerCheck == 1)
                {
                    await RequestAsync();
                }

                var leader = Leader();
                var settledBefore = settled.Where(one => one.Value).Select(one => one.Key).ToList();
                var killed = Stopwatch.GetTimestamp();
                leader.Process.Kill();
                var answer = await AskAsync(new() { Letters = new(new(), null, 1) });
                times.Add(Stopwatch.GetElapsedTime(killed).TotalMilliseconds);
                Drop(leader);
                var total = answer.Letters!.Total;
                Check(total >= settledBefore.Count && total <= Volatile.Read(ref made), $"after death {death} {total} letters, {settledBefore.Count} were settled before");
                List<string> newest = [.. settledBefore.TakeLast(300)];
                var found = (await AskAsync(new() { Letters = new(new() { Ids = newest }, null, newest.Count) })).Letters!.Letters.Count;
                Check(found == newest.Count, $"after death {death} {newest.Count - found} letters are lost");
                await StandByAsync();
                if (death % DeathsPerCheck == 0)
                {
                    await CheckAllAsync(settledBefore);
                    Print($"  {death} deaths, {settled.Count:n0} letters: none lost, none foreign");
                }
            }

            await stop.CancelAsync();
            await feeding;
            await TotalAsync(settled.Count);
            await CheckAllAsync([.. settled.Keys]);
            var done = await RequestsAsync();
            times.Sort();
            Print($"{times.Count} deaths: from the kill to the next keeper's first answer p50 {times[times.Count / 2]:0} ms, p99 {times[(int)(times.Count * 0.99)]:0} ms, most {times[^1]:0} ms");
            Print($"{settled.Count:n0} letters at the end, none lost and none foreign; {done} of {requests.Count} requests done; the journal got {(double)JournalBytes() / entryBytes:0.00} times the bytes of the entries");
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var keeper in keepers.ToList())
            {
                keeper.Process.Kill();
                Drop(keeper);
            }

            await Task.CompletedTask;
        }

        long JournalBytes() => Volatile.Read(ref journalBytes);

        Keeper Leader() => keepers.Single(keeper => keeper.Leads.Task.IsCompleted);

        void Drop(Keeper keeper)
        {
            keepers.Remove(keeper);
            keeper.Process.WaitForExit();
            keeper.Process.Dispose();
        }

        async Task StandByAsync()
        {
            string[] where = options.Sqlite is { } file ? ["--transport", $"sqlite:{file}"] : ["--broker", options.Broker];
            var keeper = new Keeper(Process.Start(new ProcessStartInfo("dotnet", [typeof(KeeperDeaths).Assembly.Location, "keeper-child", .. where])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!);
            _ = ListenAsync(keeper);
            await keeper.StandsBy.Task.WaitAsync(patience);
            keepers.Add(keeper);
            await keepers[0].Leads.Task.WaitAsync(patience); // one of them leads: the one that began first
        }

        async Task ListenAsync(Keeper keeper)
        {
            var output = keeper.Process.StandardOutput;
            while (await output.ReadLineAsync() is { } line)
            {
                switch (line)
                {
                    case KeeperChild.StandsBy: keeper.StandsBy.TrySetResult(); break;
                    case KeeperChild.Leads: keeper.Leads.TrySetResult(); break;
                    default: Interlocked.Add(ref journalBytes, long.Parse(line, CultureInfo.InvariantCulture)); break;
                }
            }
        }

        // As a worker settles a job: the letter into its queue, and its entry into the journal.
        async Task SettleAsync(int count)
        {
            List<Outgoing> outgoing = [];
            List<string> ids = [];
            for (var i = 0; i < count; i++)
            {
                var (id, letter, record) = DeadLetters.Make(Jobs.DeadLetterQueue, made + i);
                entryBytes += record.Message.Body.Length;
                Interlocked.Add(ref journalBytes, record.Message.Body.Length);
                outgoing.AddRange([letter, record]);
                ids.Add(id);
                settled[id] = false;
            }

            Interlocked.Add(ref made, count);
            var failed = await transport.PublishAsync(outgoing, patience, CancellationToken.None);
            Check(failed.Count == 0, $"{failed.Count} were not published: {failed.Values.FirstOrDefault()?.Message}");
            ids.ForEach(id => settled[id] = true);
        }

        async Task FeedAsync(CancellationToken stop)
        {
            while (!stop.IsCancellationRequested)
            {
                await SettleAsync(1);
                await Task.Delay(betweenLetters, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        async Task RequestAsync()
        {
            var request = new DeadLetterRequest
            {
                Id = Guid.CreateVersion7().ToString(), Action = DeadLetterAction.Delete, Query = new() { Ids = ["nobody"] }, At = DateTimeOffset.UtcNow,
            };
            requests.Add(request.Id);
            await journal.AppendAsync(KeeperRecord.Write(KeeperEntry.Of(request, request.At.UtcTicks)), patience, CancellationToken.None);
        }

        async Task<int> RequestsAsync()
        {
            var (done, start) = (0, Stopwatch.GetTimestamp());
            foreach (var id in requests)
            {
                while ((await AskAsync(new() { Request = id })).Request is not { State: DeadLetterRequestState.Done })
                {
                    Check(Stopwatch.GetElapsedTime(start) < 3 * patience, $"request {id} does not end");
                    await Task.Delay(100);
                }

                done++;
            }

            return done;
        }

        // Only a leader answers: this process never leads.
        async Task<KeeperAnswer> AskAsync(KeeperQuestion question)
        {
            for (var start = Stopwatch.GetTimestamp(); ; await Task.Delay(1))
            {
                if (await journal.AskAsync(question.Write(), CancellationToken.None) is { } answer)
                {
                    return KeeperAnswer.Read(answer);
                }

                Check(Stopwatch.GetElapsedTime(start) < patience, $"nobody answered within {patience}");
            }
        }

        async Task TotalAsync(int count)
        {
            var (start, total) = (Stopwatch.GetTimestamp(), -1);
            while (total != count)
            {
                total = (await AskAsync(new() { Letters = new(new(), null, 1) })).Letters!.Total;
                Check(Stopwatch.GetElapsedTime(start) < patience, $"{total} letters in place of {count}");
                await Task.Delay(20);
            }
        }

        async Task CheckAllAsync(IReadOnlyCollection<string> expected)
        {
            HashSet<string> found = new(StringComparer.Ordinal);
            string? after = null;
            do
            {
                var page = (await AskAsync(new() { Letters = new(new(), after, 10_000) })).Letters!;
                found.UnionWith(page.Letters.Select(letter => letter.Id));
                after = page.Next;
            }
            while (after is not null);

            var lost = expected.Count(id => !found.Contains(id));
            var foreign = found.Count(id => !settled.ContainsKey(id));
            Check(lost == 0 && foreign == 0, $"{lost} letters are lost, {foreign} are foreign");
        }

        static async Task TimeAsync<T>(string what, Func<Task<T>> read)
        {
            await read();
            var times = new double[Reads];
            for (var i = 0; i < Reads; i++)
            {
                var start = Stopwatch.GetTimestamp();
                await read();
                times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }

            Array.Sort(times);
            Print($"  {what,-22} p50 {times[Reads / 2]:0.0} ms, p99 {times[(int)(Reads * 0.99)]:0.0} ms, most {times[^1]:0.0} ms");
        }

        static void Check(bool holds, FormattableString otherwise)
        {
            if (!holds)
            {
                throw new InvalidOperationException(otherwise.ToString(CultureInfo.InvariantCulture));
            }
        }
    }

    /// <summary>A child process.</summary>
    sealed record Keeper(Process Process)
    {
        public TaskCompletionSource StandsBy { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Leads { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
