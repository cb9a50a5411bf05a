using System.Diagnostics;
using Jobs.Faults.Check;
using Jobs.Faults.Faults;
using Jobs.Faults.Load;
using Jobs.Faults.Logs;
using Jobs.Faults.Sites;

namespace Jobs.Faults;

/// <summary>One run, from the cluster to the verdict.</summary>
/// <remarks>
/// 1. A site, workers, producers. 2. Faults, one after the other, under load. 3. The producers stop, all is healed, what
/// died is sent back, and the workers run what is left until every node says that every queue is empty. Then the index
/// of dead letters and the history are asked. 4. The workers stop, which shows whether something was in their hands.
/// 5. The dead letters are read. 6. The logs are read, and say what became of every job.
/// </remarks>
static class FaultRun
{
    static readonly TimeSpan quickTotal = TimeSpan.FromMinutes(5);

    // Of the five minutes of a quick run: what the calls in flight and the drain may need.
    static readonly TimeSpan quickReserve = TimeSpan.FromSeconds(75);

    // Of the failed jobs that the history is asked for.
    const int HistorySample = 100;

    public static async Task<bool> RunAsync(CommandLine line)
    {
        var total = Stopwatch.GetTimestamp();
        FaultCatalog.Choose(FaultCatalog.Create(null, line.Quick), line.Faults); // before anything is started
        var run = Random.Shared.Next();
        var folder = new RunFolder(line.Logs, run);
        var summary = new RunSummary(line, folder);
        folder.Say($"seed {line.Seed}; logs in {folder.Path}");
        using var interrupted = new CancellationTokenSource();
        Console.CancelKeyPress += OnCancel;
        try
        {
            await using var site = await Site.StartAsync(line.Broker);
            summary.Site = site.Description;
            folder.Say(site.Description);
            await Drain.CleanAsync(site);
            await RunAsync(site, summary, total, interrupted.Token);
        }
        finally
        {
            Console.CancelKeyPress -= OnCancel;
        }

        return summary.Conclude(Stopwatch.GetElapsedTime(total));

        // What was started has to be stopped, so the run ends early but ends as it should.
        void OnCancel(object? sender, ConsoleCancelEventArgs e)
        {
            e.Cancel = true;
            interrupted.Cancel();
        }
    }

    static async Task RunAsync(Site site, RunSummary summary, long began, CancellationToken interrupted)
    {
        var (line, folder) = (summary.Line, summary.Folder);
        var pace = new Pace(line.Rate, line.Producers);
        var victim = site.HasBroker && (line.Faults.Count == 0 || line.Faults.Any(name => name.StartsWith("queue-", StringComparison.Ordinal)));
        await using var load = new LoadInFlight(folder, site.ClientUri, pace, line.Producers, line.EnqueueTimeout, victim);
        await using var workers = await WorkerFleet.StartAsync(line.Workers, folder, site.ClientUri);
        folder.Say($"{workers.Size} worker processes consume");

        var faults = FaultCatalog.Choose(FaultCatalog.Create(load, line.Quick), line.Faults);
        summary.Impossible = [.. faults.Where(fault => !CanBeDone(fault)).Select(fault => fault.Name)];
        var context = new FaultContext(site, workers, LoadQueues.Safe, new Random(line.Seed), folder.Say) { VictimQueue = LoadQueues.Victim, ByHand = summary.SayByHand, Folder = folder };
        var schedule = new Schedule([.. faults.Where(CanBeDone)], context, load, line.Quick ? (5, 8) : (5, 20));
        summary.Load = load;
        summary.Faults = schedule.Inflicted;
        summary.Start = Stopwatch.GetTimestamp();
        await load.StartAsync();
        var length = line.Quick ? quickTotal - quickReserve - Stopwatch.GetElapsedTime(began) : TimeSpan.FromMinutes(line.Minutes);
        await schedule.RunAsync(length, interrupted);
        summary.Broken = schedule.Broken;

        folder.Say("producers stop");
        summary.End = Stopwatch.GetTimestamp();
        await load.StopAsync();
        folder.Say($"all calls have ended; {load.Hung.Count} hang");
        summary.Left = await load.Letters.FinishAsync(() => Drain.EmptyAsync(site, load.Progress, TimeSpan.FromMinutes(6), summary.SayByHand));
        folder.Say(summary.Left ?? "all queues are empty, as every node says, and no dead letter is left to send back");
        await load.Letters.RecordIndexAsync();
        await load.Letters.AskHistoryAsync(load.Progress.SomeThatDied(HistorySample));
        folder.Say($"the history knows {load.Letters.History.Known} of {load.Letters.History.Asked} failed jobs");

        summary.Unanswered = await load.UnansweredAsync(TimeSpan.FromMinutes(1));
        summary.Answers = load.Answers;
        folder.Say($"{summary.Answers.Answered:n0} chains answered, {summary.Answers.ToldOfLoss} told that their reply queue is gone, {summary.Unanswered.Count} hang");

        // What a worker had in its hands and forgot would go back to its queue now.
        await workers.StopAllAsync();
        summary.Forgotten = summary.Left is null ? await Drain.LeftAsync(site, LoadQueues.ToDrain) : null;
        summary.Letters = await Drain.DeadLettersAsync(site, folder);
        summary.MaxInFlight = load.MaxInFlight;
        summary.ShareAbove2000 = load.ShareAbove2000;

        bool CanBeDone(Fault fault) => fault.CanBeDoneTo(site) && (site.HasBroker || fault.Kind is FaultKind.Workers or FaultKind.File);
    }
}
