using System.Globalization;
using System.Reflection;
using System.Text;
using Jobs.Faults.Check;
using Jobs.Faults.Load;
using Jobs.Faults.Logs;

namespace Jobs.Faults;

/// <summary>The result in Markdown.</summary>
static class Report
{
    public static string Write(RunSummary summary, DuplicateBound bound, IReadOnlyList<string> failures)
    {
        var (line, result) = (summary.Line, summary.Result);
        var text = new StringBuilder();
        Line($"## {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC: {(failures.Count == 0 ? "passed" : "FAILED")}");
        Line($"");
        Line($"`{line.Text}` with seed {line.Seed}, {summary.Length.TotalMinutes:0.0} minutes in all. {summary.Site}{(line.Broker == "sqlite" ? "" : $"; RabbitMQ.Client {Version(typeof(global::RabbitMQ.Client.IConnection))}")}, .NET {Environment.Version}, {Environment.ProcessorCount} processors.");
        Line($"");
        Line($"Load: {line.Producers} publisher connections with a window of 512 each, {(line.Rate == 0 ? "as fast as the broker takes it" : $"{line.Rate} jobs/s, and {Pace.Surge} calls kept in flight when a fault begins")}; {LoadMix.Description}. {line.Workers} worker processes, {WorkerProgram.Description}.");
        Line($"");
        foreach (var failure in failures)
        {
            Line($"* **{failure}**");
        }

        Totals();
        Table();
        Memory();
        Definitions();
        return text.ToString();

        void Totals()
        {
            Line($"");
            Line($"| Attempted | Confirmed | Executed | **Lost** | **Ghosts** | Duplicated jobs | Unknown (of them run) | Not enqueued (of them run) | **Hung calls** | Dead letters (unexplained) | Executed/s |");
            Line($"|---|---|---|---|---|---|---|---|---|---|---|");
            Line($"| {result.Attempted:n0} | {result.Confirmed:n0} | {result.Executed:n0} | **{result.Lost:n0}** | **{result.Ghosts:n0}** | {result.Duplicated:n0} | {result.Unknown:n0} ({result.UnknownExecuted:n0}) | {result.NotEnqueued:n0} ({result.DeniedButExecuted:n0}) | **{summary.Load?.Hung.Count ?? 0}** | {summary.Letters.Count:n0} ({summary.Unexplained.Count():n0}) | {result.Throughput:n0} |");
            Line($"");
            Line($"Calls in flight: {summary.MaxInFlight:n0} at most, at least 2,000 in {summary.ShareAbove2000 * 100:0} % of the time. Sent again after a lost connection: {result.Republished:n0}. Given back by a stop: {result.Interrupted:n0}. Lost on purpose with the queue that is purged and deleted: {result.LostOnPurpose:n0}.");
            Line($"Chains of three: {summary.Answers.Answered:n0} answered, {summary.Answers.ToldOfLoss:n0} callers told that their reply queue is gone, **{summary.Unanswered.Count} never told**.");
            Letters();
            Line($"Done by hand, as the operations guide says: {(summary.ByHand.Count == 0 ? "nothing" : string.Join("; ", summary.ByHand))}.");
            if (summary.Astray.Any())
            {
                Line($"Dead letters that lost their way in the broker, whole, to be sent again: {summary.Astray.Count():n0}.");
            }

            if (summary.Impossible.Count > 0)
            {
                Line($"Cannot be done to this site: {string.Join(", ", summary.Impossible)}.");
            }
        }

        void Letters()
        {
            var (letters, calls) = (result.Letters, summary.Load?.Letters);
            Line($"");
            Line($"| Jobs that died | Sent back | **Letters lost** | **Not in the index** | **Only in the index** | Sent back twice (bound) | Looks interrupted | Calls (not done / failed) | Known to the history |");
            Line($"|---|---|---|---|---|---|---|---|---|");
            Line($"| {letters.Died:n0} | {letters.SentBack:n0} | **{letters.Lost.Count}** | **{letters.Forgotten.Count}** | **{letters.Phantoms.Count}** | {letters.SentTwice} ({letters.Bound:n0}) | {letters.Interrupted} | {calls?.Calls} ({calls?.NotDone} / {calls?.Failed}) | {calls?.History.Known} of {calls?.History.Asked} |");
            Line($"");
            if (result.Effects.Where(effect => effect.Fault.Name == "kill-keeper").ToList() is { Count: > 0 } deaths)
            {
                Line($"Another keeper after the begin of `kill-keeper`, which waits up to 6 s for a sweep, in s (p50, max): {Two(deaths, Back)}.");
            }
        }

        static double Back(FaultEffect effect) => effect.KeeperBack ?? double.PositiveInfinity;

        void Table()
        {
            Line($"");
            Line($"| Fault | Times | In flight (least) | Jobs | Lost | Duplicated (most at once / bound) | Unknown / not enqueued | Publish gap, s (p50 / p99 / max) | Run gap, s (p50 / p99 / max) | Back after mending, s: publish / run (p50, max) | Executed/s before → during |");
            Line($"|---|---|---|---|---|---|---|---|---|---|---|");
            foreach (var fault in result.Effects.GroupBy(effect => effect.Fault.Name).OrderBy(group => group.Key, StringComparer.Ordinal))
            {
                var all = fault.ToList();
                var worst = all.MaxBy(effect => (double)effect.DuplicatedJobs / effect.Bound)!;
                Line($"| `{fault.Key}` | {all.Count} | {all.Min(e => e.Fault.InFlight):n0} | {all.Sum(e => e.Confirmed):n0} | {all.Sum(e => e.Lost):n0} | {all.Sum(e => e.DuplicatedJobs):n0} ({worst.DuplicatedJobs:n0} / {worst.Bound:n0}) | {all.Sum(e => e.Unknown):n0} / {all.Sum(e => e.NotEnqueued):n0} | {Three(all, e => e.PublishGap)} | {Three(all, e => e.ConsumeGap)} | {Two(all, e => e.PublishBack)} / {Two(all, e => e.ConsumeBack)} | {all.Average(e => e.RateBefore):n0} → {all.Average(e => e.RateDuring):n0} |");
            }
        }

        void Memory()
        {
            Line($"");
            Line($"| Memory, MiB | First fifth | Last fifth | Most | |");
            Line($"|---|---|---|---|---|");
            foreach (var (process, name) in new[] { (LoadInFlight.Process, "producers and check"), (WorkerProgram.Process, "a worker") })
            {
                foreach (var (said, what) in new[] { (Said.WorkingSet, "working set"), (Said.Heap, "managed heap") })
                {
                    var samples = result.Memory.Where(r => r.Said == said && r.Key.Producer == process).Select(r => r.Key.Number / 1024.0).ToList();
                    if (samples.Count < 5)
                    {
                        continue;
                    }

                    var (first, last) = (Percentile([.. samples.Take(samples.Count / 5)], 0.5), Percentile([.. samples.TakeLast(samples.Count / 5)], 0.5));
                    Line($"| {name}, {what} | {first:0} | {last:0} | {samples.Max():0} | {(last <= first * 1.25 + 30 ? "flat" : "grows")} |");
                }
            }
        }

        void Definitions()
        {
            Line($"");
            Line($"Lost: confirmed, and no run of it came to its end, nor is it a dead letter. Duplicated: an attempt was started again that had not been given back. A fault answers for everything from its begin to the begin of the next one; for a duplicate whose publish was sent again, the time when it was sent again counts, else that of its second start. Bound = {DuplicateBound.Definition}");
            Line($"");
            Line($"{LetterResult.Definition}");
            Line($"");
            Line($"Publish gap: the longest time without any confirm in that window; run gap: without any start of a job. Back after mending: from the end of the fault to the first confirm or start; for what makes service impossible (no majority, an alarm, no node) this one counts. Gaps are counted in hundredths of a second. In flight: calls of EnqueueAsync that have not returned, of which 512 for each connection are unconfirmed at the broker and the others wait in line. p99 of fewer than 100 repetitions is the most.");
            Line($"");
        }

        void Line(FormattableString value) => text.Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }

    static string Three(List<FaultEffect> effects, Func<FaultEffect, double> of)
    {
        double[] values = [.. effects.Select(of)];
        return string.Create(CultureInfo.InvariantCulture, $"{Percentile(values, 0.5):0.0} / {Percentile(values, 0.99):0.0} / {values.Max():0.0}");
    }

    static string Two(List<FaultEffect> effects, Func<FaultEffect, double> of)
    {
        double[] values = [.. effects.Select(of)];
        return string.Create(CultureInfo.InvariantCulture, $"{Percentile(values, 0.5):0.0}, {values.Max():0.0}");
    }

    static double Percentile(double[] values, double share)
    {
        Array.Sort(values);
        return values.Length == 0 ? 0 : values[Math.Clamp((int)Math.Ceiling(share * values.Length) - 1, 0, values.Length - 1)];
    }

    // The version of the assembly stays that of the major version; this one is the package's.
    static string Version(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "?";
}
