using System.Diagnostics;
using System.Globalization;
using Jobs.Contracts;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Real processes on one file, which are killed and suspended.</summary>
public sealed class KillTests : IDisposable
{
    const int Prefetch = 8;

    static readonly int kills = int.Parse(Environment.GetEnvironmentVariable("JOBS_SQLITE_KILLS") ?? "20", CultureInfo.InvariantCulture);

    readonly SqliteFile file = new();

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task Processes_that_are_killed_lose_no_confirmed_job_and_repeat_only_what_they_held()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var all = new List<WorkerProcess>();
        var living = new List<WorkerProcess>();
        try
        {
            for (var i = 0; i < 3; i++)
            {
                Start();
            }

            for (var i = 0; i < kills; i++)
            {
                var victim = living[random.Next(living.Count)];
                var enough = victim.Lines.Count + random.Next(1, 200);
                await victim.Until(() => victim.All("done").Length > 0 && victim.Lines.Count >= enough, "work");
                await victim.KillAsync();
                living.Remove(victim);
                Start();
            }

            foreach (var process in living)
            {
                await process.KillAsync();
            }

            await DrainAsync();
            Judge(all, kills + living.Count);
        }
        finally
        {
            foreach (var process in all)
            {
                await process.DisposeAsync();
            }
        }

        void Start()
        {
            var process = new WorkerProcess(file.Path);
            process.Do($"load p{all.Count} 2");
            process.Do($"work {Prefetch}");
            all.Add(process);
            living.Add(process);
        }

        async Task DrainAsync()
        {
            var last = new WorkerProcess(file.Path);
            all.Add(last);
            last.Do($"work {Prefetch}");
            await last.Until(() => last.All("run").Length > 0 && file.Single("SELECT count(*) FROM jobs_message") == 0, "an empty file");
            await last.QuitAsync();
            Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_session"));
            Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_claimed"));
            Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_ready"));
        }
    }

    [Fact]
    public async Task The_jobs_of_a_killed_process_are_soon_delivered_to_another_one()
    {
        await using var sender = new WorkerProcess(file.Path);
        await using var victim = new WorkerProcess(file.Path);
        victim.Do("hold 5");
        await SendAsync(sender, 5);
        await victim.Until(() => victim.All("run").Length == 5, "5 jobs");
        await using var heir = new WorkerProcess(file.Path);
        heir.Do("hold 10");
        await SendAsync(sender, 1, first: 5); // which the heir gets: it is ready
        await heir.SaysAsync("run 5");
        Assert.Equal(["5"], heir.All("run")); // what somebody holds is not delivered again

        await victim.KillAsync();

        var watch = Stopwatch.StartNew();
        await heir.Until(() => heir.All("run").Length == 6, "the 5 jobs of the victim");
        TestContext.Current.TestOutputHelper!.WriteLine($"delivered {watch.ElapsedMilliseconds} ms after the death");
        Assert.Equal(["0", "1", "2", "3", "4", "5"], heir.All("run").Order());
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10)); // on a busy machine; every process looks each second
    }

    [Fact]
    public async Task The_jobs_of_a_suspended_process_stay_its_own()
    {
        await using var sender = new WorkerProcess(file.Path);
        await using var sleeper = new WorkerProcess(file.Path);
        sleeper.Do("hold 3");
        await SendAsync(sender, 3);
        await sleeper.Until(() => sleeper.All("run").Length == 3, "3 jobs");
        await using var other = new WorkerProcess(file.Path);
        other.Do("hold 10");
        await SuspendAsync(sleeper);

        // Three rounds in which the other one looks after the dead, each a second after the former one.
        for (var round = 0; round < 3; round++)
        {
            await using var victim = new WorkerProcess(file.Path);
            victim.Do("hold 1");
            await victim.SaysAsync("ready");
            await victim.Until(() => file.Single("SELECT count(*) FROM jobs_session") > 2, "its session");
            await victim.KillAsync();
            await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_session") == 2);
        }

        Assert.Empty(other.All("run"));
        await sleeper.SignalAsync("CONT");
        sleeper.Do("settle");
        await sleeper.Until(() => sleeper.All("done").Length == 3, "3 settled jobs");
        string[] Runs() => [.. sleeper.All("run"), .. other.All("run")];
        await Wait.Until(() => Runs().Length == 6); // with the follow-ups
        Assert.Equal(["0", "0.next", "1", "1.next", "2", "2.next"], Runs().Order());
    }

    [Fact]
    public async Task A_process_that_is_suspended_while_it_writes_holds_up_the_others_until_it_goes_on()
    {
        await using var sleeper = new WorkerProcess(file.Path);
        await using var other = new WorkerProcess(file.Path);
        await SendAsync(other, 1);
        sleeper.Do("hold 1");
        sleeper.Do("suspend executed"); // the transaction has written, and is not committed
        sleeper.Do("publish own 30");
        await IsSuspendedAsync(sleeper);

        other.Do("publish early 1");
        Assert.Contains("locked", await other.SaysAsync("failed early no"), StringComparison.Ordinal);
        other.Do("publish late 30");
        await sleeper.SignalAsync("CONT");

        await other.SaysAsync("sent late");
        await sleeper.SaysAsync("sent own");
        Assert.Equal(3, file.Single("SELECT count(*) FROM jobs_message"));
    }

    [Fact]
    public async Task When_the_leader_of_a_journal_is_killed_another_process_leads_and_reads_every_record()
    {
        await using var victim = new WorkerProcess(file.Path);
        victim.Do("append j first");
        victim.Do("lead j");
        await victim.SaysAsync("leads");
        await using var heir = new WorkerProcess(file.Path);
        heir.Do("lead j");
        heir.Do("append j second");
        await victim.SaysAsync("record second");
        Assert.DoesNotContain("leads", heir.Lines);
        victim.Do("append j third"); // which the victim may never read
        await victim.SaysAsync("appended third");

        await victim.KillAsync();

        await heir.SaysAsync("leads");
        heir.Do("append j fourth");
        await heir.SaysAsync("record fourth");
        Assert.Equal(["first", "second", "third", "fourth"], heir.All("record"));
    }

    void Judge(List<WorkerProcess> all, int deaths)
    {
        string[] All(string word) => [.. all.SelectMany(process => process.All(word))];
        var (tried, sent, run, done) = (All("try").ToHashSet(), All("sent"), All("run"), All("done"));
        var runs = run.CountBy(id => id).ToDictionary();
        var repeated = run.Length - runs.Count;
        TestContext.Current.TestOutputHelper!.WriteLine($"{tried.Count} tried, {sent.Length} confirmed, {run.Length} runs, {repeated} repeated");

        Assert.Equal([], sent.Except(runs.Keys));
        Assert.Equal([], runs.Keys.Except(tried).Except(runs.Keys.Select(id => $"{id}.next"))); // nobody enqueued it
        Assert.Equal([], done.Where(id => id.EndsWith('0')).Select(id => $"{id}.next").Except(runs.Keys)); // settled together with its follow-up
        Assert.InRange(repeated, 0, deaths * Prefetch);
        Assert.Empty(All("failed"));
        Assert.InRange(sent.Length, kills, int.MaxValue); // it was worth the while
    }

    static async Task SuspendAsync(WorkerProcess process)
    {
        await process.SignalAsync("STOP");
        await IsSuspendedAsync(process);
    }

    static Task IsSuspendedAsync(WorkerProcess process) =>
        Wait.Until(() => File.ReadAllText($"/proc/{process.Id}/stat").Contains(") T ", StringComparison.Ordinal));

    static async Task SendAsync(WorkerProcess sender, int count, int first = 0)
    {
        for (var i = first; i < first + count; i++)
        {
            sender.Do($"publish {i} 10");
            await sender.SaysAsync($"sent {i}");
        }
    }
}
