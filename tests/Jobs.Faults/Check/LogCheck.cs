using System.Diagnostics;
using Jobs.Faults.Load;
using Jobs.Faults.Logs;

namespace Jobs.Faults.Check;

/// <summary>Shows that the check is not blind: it is given logs in which something is wrong, and has to say what.</summary>
static class LogCheck
{
    const int Run = 7;
    const int Jobs = 1_000;
    const int Dying = 10;
    const int Prefetch = 150;
    static readonly long second = Stopwatch.Frequency;

    public static bool Passes(Action<string> say)
    {
        var passed = true;
        Expect("a clean run", records => records, result => Found(result) == (0, 0, 0) && result.Executed == Jobs && result.Confirmed == Jobs);
        Expect("dropped ends of three jobs", records => records.Where(r => !(r.Said == Said.Finished && r.Key.Number is 10 or 500 or 999)), result => Found(result) == (3, 0, 0));
        Expect("a worker whose log has nothing", records => records.Where(r => r.Said is not (Said.Started or Said.Finished)), result => result.Lost == Jobs);
        Expect("a doubled run", records => records.SelectMany(r => r.Said == Said.Started && r.Key.Number == 600 ? new[] { r, r with { Time = r.Time + 1 } } : [r]), result => Found(result) == (0, 1, 0) && result.Effects[0].DuplicatedJobs == 1);
        Expect("a doubled run before any fault", records => records.SelectMany(r => r.Said == Said.Started && r.Key.Number == 1 ? new[] { r, r } : [r]), result => result.DuplicatesWithoutFault == 1);
        Expect("a second attempt, which is no duplicate", records => records.Append(Record(Said.Started, 5, 9.99) with { Attempt = 2 }), result => Found(result) == (0, 0, 0));
        Expect("a run that was given back by a stop", records => records.Concat([Record(Said.Interrupted, 5, 9.5), Record(Said.Started, 5, 9.6)]), result => Found(result) == (0, 0, 0));
        Expect("an id that nobody attempted", records => records.Append(Record(Said.Started, Jobs + 3, 9.9)), result => Found(result) == (0, 0, 1));
        Expect("an id of another run", records => records.Append(Record(Said.Started, 3, 9.9) with { Key = new(8, 0, 3) }), result => Found(result) == (0, 0, 1));
        Expect("a denied job that ran", records => records.Append(Record(Said.NotEnqueued, 3, 9.9)), result => result.DeniedButExecuted == 1);
        Expect("an unknown one that did not run", records => records.Concat([Record(Said.Attempted, Jobs, 9.8), Record(Said.Unknown, Jobs, 9.9)]), result => Found(result) == (0, 0, 0) && result.Unknown == 1);
        Expect("a dead letter in place of a run", records => records.Where(r => !(r.Said is Said.Started or Said.Finished && r.Key.Number == 10)).Append(Record(Said.DeadLetter, 10, 9.9)), result => Found(result) == (0, 0, 0) && result.Dead == 1);
        Expect("more duplicates than the bound", records => records.SelectMany(r => r.Said == Said.Started && r.Time > 5 * second ? new[] { r, r } : [r]), result => result.OverBound == 1);
        Expect("a second copy of a publish that was sent again before the fault", records => records.Concat([Record(Said.Republished, 1, 3.0005), Record(Said.Started, 300, 9.9)]), result => result is { Duplicated: 1, DuplicatesWithoutFault: 0 } && result.Effects[0].DuplicatedJobs == 1);
        Expect("a loss of the queue that is purged", records => records.Concat([Victim(Said.Attempted, 4.8), Victim(Said.Confirmed, 4.9)]), result => result is { Lost: 0, LostOnPurpose: 1 });
        Expect("a loss of it after it was back", records => records.Concat([Victim(Said.Attempted, 9.8), Victim(Said.Confirmed, 9.9)]), result => result is { Lost: 1, LostOnPurpose: 0 });
        Expect("a gap of two seconds", records => records.Where(r => r.Time < 6 * second || r.Time > 8 * second), result => result.Effects[0].ConsumeGap is > 1.9 and < 2.1);
        ExpectOfLetters("a job that died and was sent back", [Back(1, 9.5)], ended: true, result =>
            result.Letters is { Died: 1, SentBack: 1, SentTwice: 0, IsOverBound: false, Lost: [], Forgotten: [] });
        ExpectOfLetters("a dead letter that is gone", [], ended: false, result =>
            result is { Lost: 1, Letters.Lost: [{ Number: Dying }] });
        ExpectOfLetters("a dead letter that is gone after it was sent back", [Back(1, 9.5)], ended: false, result =>
            result is { Lost: 1, Letters.Lost: [{ Number: Dying }] });
        ExpectOfLetters("a dead letter in queue and index", [Record(Said.DeadLetter, Dying, 9.8), Record(Said.Indexed, Dying, 9.9)], ended: false, result =>
            result is { Lost: 0, Letters: { Lost: [], Forgotten: [], Phantoms: [] } });
        ExpectOfLetters("a forgotten one, in the queue and not in the index", [Record(Said.DeadLetter, Dying, 9.8)], ended: false, result =>
            result is { Lost: 0, Letters: { Lost: [], Forgotten: [{ Number: Dying }], Phantoms: [] } });
        ExpectOfLetters("one in the index and not in the queue", [Record(Said.Indexed, Dying, 9.8)], ended: false, result =>
            result is { Lost: 1, Letters: { Lost: [{ Number: Dying }], Forgotten: [], Phantoms: [{ Number: Dying }] } });
        ExpectOfLetters("one that is sent back twice for no reason", [Look(9.4), Back(1, 9.5), Back(2, 9.6), Done(9.7)], ended: true, result =>
            result is { Duplicated: 0, Letters: { SentTwice: 1, Bound: 0, IsOverBound: true } });
        ExpectOfLetters(
            "one that is sent back twice by an interrupted look",
            [Look(9.4), Back(1, 9.5), Look(9.55), Back(2, 9.6), Done(9.7)],
            ended: true,
            result => result is { Duplicated: 0, Letters: { SentTwice: 1, Bound: Prefetch, Interrupted: 1, IsOverBound: false } });
        ExpectOfLetters(
            "two letters of a job that died twice",
            [Record(Said.Started, Dying, 9.3), Record(Said.Died, Dying, 9.4), Back(1, 9.5), Back(2, 9.6)],
            ended: true,
            result => result is { Duplicated: 1, Letters: { SentTwice: 0, IsOverBound: false } });
        ExpectOfLetters("a message of the way back that is delivered twice", [Back(1, 9.5), Back(1, 9.6)], ended: true, result =>
            result is { Duplicated: 1, Letters.SentTwice: 0 });
        Expect("a keeper that nobody follows", records => records, result => result.Effects[0].KeeperBack is null);
        Expect("another keeper after a second", records => records.Append(Process(Said.KeeperLeads, 6)), result =>
            result.Effects[0].KeeperBack is > 0.99 and < 1.01);
        return passed;

        // Job number Dying dies, and then this.
        void ExpectOfLetters(string what, LogRecord[] then, bool ended, Func<CheckResult, bool> isSeen) => Expect(
            what,
            records => records.Select(r => r.Key.Number == Dying && r.Said == Said.Finished ? r with { Said = Said.Died } : r)
                .Concat(then).Concat(ended ? [Record(Said.Finished, Dying, 9.9)] : []),
            isSeen);

        void Expect(string what, Func<IEnumerable<LogRecord>, IEnumerable<LogRecord>> change, Func<CheckResult, bool> isSeen)
        {
            var window = new FaultWindow("queue-purge", 5 * second, 6 * second, 0, null);
            var result = Checker.Check(Run, 0, 10 * second, [window], new(1, 10, 0), change(Clean()).OrderBy(r => r.Time));
            var seen = isSeen(result);
            passed &= seen;
            var letters = result.Letters;
            say($"{(seen ? "seen     " : "NOT SEEN ")} {what}: lost {result.Lost}, duplicated {result.Duplicated}, ghosts {result.Ghosts}; "
                + $"letters lost {letters.Lost.Count}, forgotten {letters.Forgotten.Count}, sent twice {letters.SentTwice}");
        }
    }

    static (long Lost, long Duplicated, long Ghosts) Found(CheckResult result) => (result.Lost, result.Duplicated, result.Ghosts);

    // Ten seconds, a job every hundredth of one.
    static IEnumerable<LogRecord> Clean() => Enumerable.Range(0, Jobs).SelectMany(n => new[]
    {
        Record(Said.Attempted, n, n * 0.01),
        Record(Said.Confirmed, n, n * 0.01 + 0.001),
        Record(Said.Started, n, n * 0.01 + 0.002),
        Record(Said.Finished, n, n * 0.01 + 0.003),
    });

    static LogRecord Record(Said said, int number, double at) => new((long)(at * second), said, new(Run, 0, number), 1);

    static LogRecord Back(byte stamp, double at) => Record(Said.Returned, Dying, at) with { Attempt = stamp };

    static LogRecord Look(double at) => Process(Said.SweepBegan, at) with { Key = new(0, 1, Prefetch) };

    static LogRecord Done(double at) => Process(Said.RequestDone, at);

    static LogRecord Process(Said said, double at) => Record(said, 0, at) with { Key = new(0, 1, 0) };

    static LogRecord Victim(Said said, double at) => Record(said, 0, at) with { Key = new(Run, WatchedLoss.Producer, 0) };
}
