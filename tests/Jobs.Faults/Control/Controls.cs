using System.Diagnostics;
using Jobs.Brokers;
using Jobs.Faults.Check;
using Jobs.Faults.Load;
using Jobs.Faults.Logs;
using Jobs.Faults.Sites;

namespace Jobs.Faults.Control;

/// <summary>What must lose jobs. Each writes the same logs as a run and is judged by the same check: if that sees no loss here, it would see none anywhere.</summary>
static class Controls
{
    public static async Task<bool> RunAsync(CommandLine line)
    {
        await using var site = await Site.StartAsync(line.Broker);
        Console.WriteLine(site.Description);
        var passed = await JudgeAsync("publishing without confirms while connections are reset", mustLose: true, folder => PlainClient.WithoutConfirmsAsync(site, folder));
        if (site.OwnsNodes)
        {
            passed &= await JudgeAsync("a classic queue whose only node is gone", mustLose: true, folder => PlainClient.NodeGoneAsync(site, folder, "classic"));
            passed &= await JudgeAsync("the same with a quorum queue, which must lose nothing", mustLose: false, folder => PlainClient.NodeGoneAsync(site, folder, "quorum"));
            passed &= await JudgeAsync("occurrences recorded by the same publish as their jobs, beat and node die together", mustLose: true, folder => FanOutPublish.RunAsync(site, folder));
        }
        else
        {
            Console.WriteLine("not done  a classic queue whose only node is gone: this cluster is not ours to break");
        }

        passed &= await JudgeAsync("chains whose worker acknowledges a job and does not send the next one", mustLose: true, folder => DroppedLinksAsync(site, folder));
        passed &= await JudgeAsync(
            "dead letters that somebody purges before they are sent back", mustLose: true, folder => DeadLettersAsync(site, folder, purge: true));
        passed &= await JudgeAsync(
            "the same without the purge, which must lose nothing", mustLose: false, folder => DeadLettersAsync(site, folder, purge: false));
        passed &= await JudgeAsync("jobs that are acknowledged before they run, and a worker that is killed", mustLose: true, folder => EarlyAsync(site, folder));
        return passed;
    }

    static async Task<bool> JudgeAsync(string what, bool mustLose, Func<RunFolder, Task> act)
    {
        var folder = new RunFolder(null, Random.Shared.Next());
        var start = Stopwatch.GetTimestamp();
        await act(folder);
        var result = Checker.Check(folder.Run, start, Stopwatch.GetTimestamp(), [], new(1, 0, 0), RecordReader.Merge(folder.Records));
        var right = result.Confirmed > 0 && result.Ghosts == 0 && result.Lost > 0 == mustLose;
        Console.WriteLine($"{(right ? "as it must" : "WRONG     ")} {what}: {result.Lost:n0} of {result.Confirmed:n0} lost, {result.Executed:n0} executed");
        if (right)
        {
            Directory.Delete(folder.Path, recursive: true);
        }
        else
        {
            Console.WriteLine($"logs: {folder.Path}");
        }

        return right;
    }

    static async Task DroppedLinksAsync(Site site, RunFolder folder)
    {
        const int Calls = 200;
        await Drain.CleanAsync(site);
        await using (var producer = new Producer(folder, 0, site.ClientUri, TimeSpan.FromSeconds(60), LoadMix.Of, chains: true))
        {
            producer.Burst(Calls);
            await Eventually.BecomesAsync(() => producer.InFlight == 0, TimeSpan.FromSeconds(70), "the jobs to be confirmed");
        }

        // A client that runs what it gets, and knows nothing of chains.
        using var records = new RecordFile(folder.NewFile("control") + ".bin");
        await PlainClient.ConsumeAsync(site.Nodes[0], LoadQueues.Quick, records);
        await Drain.CleanAsync(site);
    }

    static async Task DeadLettersAsync(Site site, RunFolder folder, bool purge)
    {
        const int Jobs = 200;
        await Drain.CleanAsync(site);
        await using var workers = await WorkerFleet.StartAsync(1, folder, site.ClientUri);
        await using var letters = new LetterRetries(folder, site.ClientUri);
        using var progress = new Progress(folder);
        using var refreshing = new Timer(_ => progress.Refresh(), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(200));
        await using (var producer = new Producer(folder, 0, site.ClientUri, TimeSpan.FromSeconds(60), LoadMix.Dying))
        {
            producer.Burst(Jobs);
            await Eventually.BecomesAsync(() => progress.SomeThatDied(Jobs).Count == Jobs, TimeSpan.FromSeconds(60), "all jobs to die");
        }

        // The worker has written the last letters when it has stopped.
        await workers.StopAllAsync();
        if (purge)
        {
            await PlainClient.PurgeAsync(site.Nodes[0], LoadQueues.DeadLetters);
        }

        await workers.HealAsync();
        await letters.FinishAsync(() => Drain.EmptyAsync(site, progress, TimeSpan.FromMinutes(1), Console.WriteLine));
        await refreshing.DisposeAsync();
    }

    static async Task EarlyAsync(Site site, RunFolder folder)
    {
        const int Jobs = 200;
        await Drain.CleanAsync(site);
        await using var workers = await WorkerFleet.StartAsync(1, folder, site.ClientUri);
        using var progress = new Progress(folder);
        await using (var producer = new Producer(folder, 0, site.ClientUri, TimeSpan.FromSeconds(60), LoadMix.Early))
        {
            producer.Burst(Jobs);
            await Eventually.BecomesAsync(() => producer.InFlight == 0, TimeSpan.FromSeconds(70), "the jobs to be confirmed");
            await Eventually.BecomesAsync(Runs, TimeSpan.FromSeconds(60), "some jobs to run");
        }

        await workers.KillAsync(0);
        await workers.HealAsync();
        using var refreshing = new Timer(_ => progress.Refresh(), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(200));
        await Drain.EmptyAsync(site, progress, TimeSpan.FromMinutes(1), Console.WriteLine);
        await refreshing.DisposeAsync();

        // Not at once: more than one generation of jobs, so that some are in the middle.
        bool Runs()
        {
            progress.Refresh();
            return progress.Finished > WorkerProgram.Concurrency;
        }
    }
}
