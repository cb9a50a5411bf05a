using System.Collections.Concurrent;
using Jobs.Faults.Check;
using Jobs.Faults.Load;
using Jobs.Faults.Logs;

namespace Jobs.Faults;

/// <summary>What a run has come to, and whether that is good enough.</summary>
sealed class RunSummary(CommandLine line, RunFolder folder)
{
    // Healing that was given up may still say something while the report is written.
    readonly ConcurrentQueue<string> byHand = [];

    public CommandLine Line => line;

    public RunFolder Folder => folder;

    public string Site { get; set; } = "";

    public long Start { get; set; }

    public long End { get; set; }

    public LoadInFlight? Load { get; set; }

    public IReadOnlyList<FaultWindow> Faults { get; set; } = [];

    /// <summary>Faults that cannot be done to this site.</summary>
    public IReadOnlyList<string> Impossible { get; set; } = [];

    public string? Broken { get; set; }

    /// <summary>What an operator would have had to do to get the site well again.</summary>
    public IReadOnlyCollection<string> ByHand => byHand;

    /// <summary>What could not be drained.</summary>
    public string? Left { get; set; }

    /// <summary>What came back when the workers stopped.</summary>
    public string? Forgotten { get; set; }

    public IReadOnlyList<Letter> Letters { get; set; } = [];

    /// <summary>Chains that have run, and whose producer never heard of it.</summary>
    public IReadOnlyCollection<JobKey> Unanswered { get; set; } = [];

    public (long Answered, long ToldOfLoss) Answers { get; set; }

    public int MaxInFlight { get; set; }

    public double ShareAbove2000 { get; set; }

    public CheckResult Result { get; private set; } = new() { Effects = [] };

    public TimeSpan Length { get; private set; }

    /// <summary>Letters that no rule of Jobs explains: those that were handed out too often are, and those that nobody has sent back.</summary>
    public IEnumerable<Letter> Unexplained =>
        Letters.Where(letter => letter.Reason != LoadTasks.Death && !letter.Reason.StartsWith("It was delivered ", StringComparison.Ordinal)).Except(Astray);

    /// <summary>
    /// Letters that the broker wrote when a delay was over and no way led on: seen only where a level was held up and a node came up then. Inferred: the broker leads its quorum queues
    /// before it has its topic bindings again. They are counted, and explained only when a node was stopped or lost in the run.
    /// </summary>
    public IEnumerable<Letter> Astray => !Faults.Any(fault => fault.Name.StartsWith("kill-", StringComparison.Ordinal)
            || fault.Name is "two-nodes-down" or "rolling-restart" or "pause-node" or "partition-node")
        ? []
        : Letters.Where(letter => letter.Reason == Drain.ExpiredInTheBroker && LoadQueues.IsDelayLevel(letter.From));

    public void SayByHand(string what)
    {
        byHand.Enqueue(what);
        folder.Say($"by hand: {what}");
    }

    /// <summary>Reads the logs, prints and records the result.</summary>
    public bool Conclude(TimeSpan length)
    {
        Length = length;
        var bound = new DuplicateBound(line.Workers * LoadQueues.All.Count, WorkerProgram.Prefetch, DelayLevels: 3);
        Result = Checker.Check(folder.Run, Start, End, Faults, bound, RecordReader.Merge(folder.Records));
        var failures = Failures().ToList();
        var report = Report.Write(this, bound, failures);
        Console.WriteLine(report);
        File.WriteAllText(Path.Combine(folder.Path, "report.md"), report);
        if (line.Record is not null)
        {
            File.AppendAllText(line.Record, report);
        }

        if (failures.Count == 0 && line.Logs is null)
        {
            Directory.Delete(folder.Path, recursive: true);
        }
        else
        {
            Console.WriteLine($"logs: {folder.Path}");
        }

        return failures.Count == 0;
    }

    IEnumerable<string> Failures()
    {
        if (Result.Lost > 0)
        {
            yield return $"{Result.Lost} confirmed jobs are lost: {string.Join("; ", Result.LostExamples)}";
        }

        if (Result.Ghosts > 0)
        {
            yield return $"{Result.Ghosts} runs of jobs that were never attempted: {string.Join(", ", Result.GhostExamples)}";
        }

        if (Result.DeniedButExecuted > 0)
        {
            yield return $"{Result.DeniedButExecuted} jobs ran of which EnqueueAsync had said that they are not enqueued";
        }

        if (Load?.Hung.Count > 0)
        {
            yield return $"{Load.Hung.Count} calls did not end within their deadline and ten seconds";
        }

        if (Unanswered.Count > 0)
        {
            yield return $"{Unanswered.Count} callers wait for the result of a chain that has run, for example {Unanswered.First()}";
        }

        foreach (var (error, count) in (Load?.Undocumented ?? []).Concat(Load?.Letters.Undocumented ?? new Dictionary<string, int>()))
        {
            yield return $"{count} calls threw what is not documented: {error}";
        }

        foreach (var failure in LetterFailures())
        {
            yield return failure;
        }

        foreach (var letters in Unexplained.GroupBy(letter => letter.Reason))
        {
            yield return $"{letters.Count()} dead letters from {letters.First().From} that nothing explains, for example {letters.First().Id}: {letters.Key}";
        }

        foreach (var effect in Result.Effects.Where(effect => effect.DuplicatedJobs > effect.Bound))
        {
            yield return $"{effect.Fault.Name} duplicated {effect.DuplicatedJobs} jobs; {effect.Bound} were unacknowledged or unconfirmed at most";
        }

        if (Result.DuplicatesWithoutFault > 0)
        {
            yield return $"{Result.DuplicatesWithoutFault} duplicates before the first fault";
        }

        foreach (var fault in Faults.Where(fault => fault.Problem is not null))
        {
            yield return $"{fault.Name} did not go as it has to: {fault.Problem}";
        }

        if (Broken is not null)
        {
            yield return $"the site could not be healed: {Broken}";
        }

        if (Left is not null)
        {
            yield return $"not drained: {Left}";
        }

        if (Forgotten is not null)
        {
            yield return $"the workers held on to jobs that they did not run: {Forgotten}";
        }

        if (Result.Confirmed == 0 || Faults.Count == 0)
        {
            yield return $"nothing is proved: {Result.Confirmed} jobs confirmed, {Faults.Count} faults inflicted";
        }
    }

    IEnumerable<string> LetterFailures()
    {
        var letters = Result.Letters;
        foreach (var (jobs, what) in new[]
        {
            (letters.Lost, "jobs died, did not end well, and are no dead letters"),
            (letters.Forgotten, "dead letters are in the queue and not in the index"),
            (letters.Phantoms, "dead letters are in the index and not in the queue"),
        })
        {
            if (jobs.Count > 0)
            {
                yield return $"{jobs.Count} {what}, for example {jobs[0]}";
            }
        }

        if (letters.IsOverBound)
        {
            yield return $"{letters.SentTwice} dead letters were sent back twice; {letters.Bound} at most were in the hands of "
                + $"{letters.Interrupted} interrupted looks or were sent again";
        }

        if (Load?.Letters.History is { Asked: > 0, Known: 0 } history)
        {
            yield return $"the history knows none of {history.Asked} jobs that died";
        }

        if (Result.Effects.Count(effect => effect.Fault.Name == "kill-keeper" && effect.KeeperBack is null) is > 0 and var without)
        {
            yield return $"no process became the keeper after {without} deaths of keepers";
        }

        if (letters.SentBack == 0 && letters.Died > 0)
        {
            yield return $"nothing is proved of dead letters: of {letters.Died}, none was sent back";
        }
    }
}
