using System.Diagnostics;
using Jobs.Faults.Load;
using Jobs.Faults.Logs;

namespace Jobs.Faults.Check;

/// <summary>Reads all logs of a run in the order of their time and says what became of every job. It knows nothing but the logs.</summary>
/// <remarks>
/// Lost: confirmed, and no attempt of it came to its end. Ghost: ran, and was never attempted. Duplicated: an attempt was started again that had not been
/// given back by a stop. Unknown may have run or not.
/// </remarks>
sealed class Checker
{
    const int Examples = 10;

    readonly CheckResult result;
    readonly Dictionary<ushort, JobStates> jobs = [];
    readonly HashSet<(FaultEffect, JobKey)> duplicated = [];
    readonly Timeline confirms;
    readonly Timeline runs;
    readonly DuplicateBound bound;
    readonly LetterBook letters = new();
    readonly long start;
    readonly long end;
    readonly int run;
    int current = -1;
    int lastResent = -1;

    Checker(int run, long start, long end, IReadOnlyList<FaultWindow> faults, DuplicateBound bound)
    {
        (this.run, this.start, this.end, this.bound) = (run, start, end, bound);
        result = new() { Effects = [.. faults.Select(fault => new FaultEffect(fault))] };
        confirms = new(start);
        runs = new(start);
    }

    /// <param name="run">Of every id.</param>
    /// <param name="start">When the run began.</param>
    /// <param name="end">When the producers were stopped: gaps are not looked for after it.</param>
    /// <param name="faults">In the order of their time.</param>
    /// <param name="bound">How many duplicates a fault may cause.</param>
    /// <param name="records">In the order of their time.</param>
    public static CheckResult Check(int run, long start, long end, IReadOnlyList<FaultWindow> faults, DuplicateBound bound, IEnumerable<LogRecord> records)
    {
        var checker = new Checker(run, start, end, faults, bound);
        foreach (var record in records)
        {
            checker.Take(record);
        }

        return checker.Conclude();
    }

    /// <summary>Of the fault that answers for what happens now; of nothing before the first one.</summary>
    FaultEffect? Effect => current < 0 ? null : result.Effects[current];

    void Take(LogRecord record)
    {
        while (current + 1 < result.Effects.Count && result.Effects[current + 1].Fault.Begin <= record.Time)
        {
            current++;
        }

        if (record.Key.Run == run || record.Key.Run == 0)
        {
            letters.Take(record);
        }

        switch (record.Said)
        {
            case Said.Republished: lastResent = Hundredths(record.Time); result.Republished += record.Key.Number; Add(effect => effect.Republished += record.Key.Number); return;
            case Said.Subscribed: Add(effect => effect.Resubscribed++); return;
            case Said.WorkingSet or Said.Heap: result.Memory.Add(record); return;
            case Said.KeeperLeads: Add(effect => effect.KeeperBack ??= (record.Time - effect.Fault.Begin) / (double)Stopwatch.Frequency); return;
            case Said.KeeperLost or Said.SweepBegan or Said.RequestDone: return;
            case Said.Boot or Said.Ready or Said.Stopped or Said.ConsumerLost or Said.QueueGone: return;
        }

        if (record.Key.Run != run)
        {
            Ghost(record);
            return;
        }

        var states = Jobs(record.Key.Producer);
        var number = record.Key.Number;
        switch (record.Said)
        {
            case Said.Attempted:
                states.Attempt(number, Hundredths(record.Time));
                result.Attempted++;
                break;
            case Said.Confirmed:
                states.Confirm(number, Hundredths(record.Time), lastResent);
                confirms.Add(record.Time);
                result.Confirmed++;
                Add(effect => effect.Confirmed++);
                break;
            case Said.NotEnqueued:
                states.Set(number, JobStates.State.NotEnqueued);
                result.NotEnqueued++;
                Add(effect => effect.NotEnqueued++);
                break;
            case Said.Unknown:
                states.Set(number, JobStates.State.Unknown);
                result.Unknown++;
                Add(effect => effect.Unknown++);
                break;
            case Said.Started or Said.Returned:
                Start(record, states);
                break;
            case Said.Finished:
                states.Set(number, JobStates.State.Finished);
                break;
            case Said.Interrupted:
                states.GiveBack(number, record.Attempt);
                result.Interrupted++;
                break;
            case Said.DeadLetter:
                states.Set(number, JobStates.State.Dead);
                break;
        }
    }

    void Add(Action<FaultEffect> add)
    {
        if (Effect is { } effect)
        {
            add(effect);
        }
    }

    void Start(LogRecord record, JobStates states)
    {
        var number = record.Key.Number;
        if ((states[number] & JobStates.State.Attempted) == 0)
        {
            Ghost(record);
        }

        result.Starts++;
        runs.Add(record.Time);
        if (record.Said == Said.Returned ? !letters.Returned(record) : states.Start(number, record.Attempt))
        {
            states.Set(number, JobStates.State.Duplicated);
            result.DuplicateStarts++;
            if (Cause(states, number) is { } effect)
            {
                effect.DuplicatedJobs += duplicated.Add((effect, record.Key)) ? 1 : 0;
            }
            else
            {
                result.DuplicatesWithoutFault++;
            }
        }
    }

    /// <summary>
    /// The fault that the second start is put down to. The second copy of a publish waits behind all others and may run in the time of another fault, so that what counts
    /// for it is when its publish was sent again.
    /// </summary>
    FaultEffect? Cause(JobStates states, int number) => states[number].HasFlag(JobStates.State.Resent)
        ? result.Effects.LastOrDefault(effect => Hundredths(effect.Fault.Begin) <= states.ResentAt(number)) ?? Effect
        : Effect;

    int Hundredths(long time) => (int)((time - start) * 100 / Stopwatch.Frequency);

    void Ghost(LogRecord record)
    {
        result.Ghosts++;
        if (result.GhostExamples.Count < Examples)
        {
            result.GhostExamples.Add($"{record.Key} ({record.Said})");
        }
    }

    JobStates Jobs(ushort producer)
    {
        if (!jobs.TryGetValue(producer, out var states))
        {
            jobs[producer] = states = new();
        }

        return states;
    }

    CheckResult Conclude()
    {
        foreach (var (producer, states) in jobs)
        {
            for (var number = 0; number < states.Count; number++)
            {
                Conclude(new(run, producer, number), states[number], states);
            }
        }

        for (var i = 0; i < result.Effects.Count; i++)
        {
            Measure(result.Effects[i], i + 1 < result.Effects.Count ? result.Effects[i + 1].Fault.Begin : Math.Max(end, result.Effects[i].Fault.Mended));
        }

        result.Letters = letters.Conclude(key => (Jobs(key.Producer)[key.Number] & (JobStates.State.Finished | JobStates.State.Dead)) != 0);
        result.Throughput = runs.Rate(start, end);
        return result;
    }

    void Conclude(JobKey key, JobStates.State state, JobStates states)
    {
        var finished = state.HasFlag(JobStates.State.Finished);
        result.Executed += finished ? 1 : 0;
        result.Duplicated += state.HasFlag(JobStates.State.Duplicated) ? 1 : 0;
        result.Dead += state.HasFlag(JobStates.State.Dead) ? 1 : 0;
        result.UnknownExecuted += finished && state.HasFlag(JobStates.State.Unknown) ? 1 : 0;
        if (finished && state.HasFlag(JobStates.State.NotEnqueued))
        {
            result.DeniedButExecuted++;
        }

        if (!state.HasFlag(JobStates.State.Confirmed) || finished || state.HasFlag(JobStates.State.Dead))
        {
            return;
        }

        var at = start + states.ConfirmedAt(key.Number) * Stopwatch.Frequency / 100;
        if (key.Producer == WatchedLoss.Producer && Excused(at))
        {
            result.LostOnPurpose++;
            return;
        }

        result.Lost++;
        if (result.Effects.LastOrDefault(effect => effect.Fault.Begin <= at) is { } during)
        {
            during.Lost++;
        }

        if (result.LostExamples.Count < Examples)
        {
            result.LostExamples.Add($"{key}, confirmed {(at - start) / (double)Stopwatch.Frequency:0.0} s after the start");
        }
    }

    // What was purged or deleted had been confirmed before, or while the queue was not yet back, or was on its way: the answer to a purge may overtake the
    // confirms of what was purged (138 of one batch were seen, confirmed milliseconds after that answer; the first of the batch had run before it).
    bool Excused(long confirmedAt) => result.Effects.Any(effect =>
        effect.Fault.Name.StartsWith("queue-", StringComparison.Ordinal)
        && confirmedAt <= effect.Fault.Mended + Stopwatch.Frequency
        && confirmedAt >= effect.Fault.Begin - 120 * Stopwatch.Frequency);

    void Measure(FaultEffect effect, long until)
    {
        var (begin, mended) = (effect.Fault.Begin, effect.Fault.Mended);
        effect.Bound = bound.Of(effect);
        effect.PublishGap = confirms.LongestGap(begin, until);
        effect.ConsumeGap = runs.LongestGap(begin, until);
        effect.PublishBack = confirms.UntilNext(mended, until);
        effect.ConsumeBack = runs.UntilNext(mended, until);
        effect.RateBefore = runs.Rate(Math.Max(start, begin - 10 * Stopwatch.Frequency), begin);
        effect.RateDuring = runs.Rate(begin, mended);
    }
}
