using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>
/// What ten open tabs cost a worker. Two like programs run beside each other, each with its own jobs: one with ten tabs, one
/// with none. After some windows they change places, so that it does not count when one of them is slower than the other.
/// Rounds repeat until the median of the cost is certain to lie on one side of one per cent of a core.
/// </summary>
/// <remarks>
/// Tabs cost for a minute after they are closed: the process goes on listening, and workers tell it more. So the programs
/// rest before they change places. Meanwhile the one that had no tabs answers as many requests with as long a text: what
/// HTTP costs by itself.
/// </remarks>
static class DashboardTabs
{
    const double Limit = 0.01; // of a core
    const int Windows = 6; // the fewest that make a certain statement
    const int MostJobs = 150_000; // in the history: more than the index keeps

    static readonly TimeSpan leadIn = TimeSpan.FromSeconds(5); // the first questions of all tabs
    static readonly TimeSpan rest = TimeSpan.FromSeconds(65);

    public static async Task RunAsync(BenchmarkOptions options, BenchBroker? broker)
    {
        var (rate, rounds, window) = (options.Rate ?? 50, options.Rounds ?? 5, TimeSpan.FromSeconds(options.Seconds ?? 10));
        using var places = new DashboardPlaces(options with { Jobs = Math.Min(options.Jobs, MostJobs) }, broker);
        List<Pair> pairs = [];
        try
        {
            pairs.Add(await StartAsync($"one process, {rate} jobs/s", apart: false, rate));
            if (!options.InMemory)
            {
                pairs.Add(await StartAsync($"two processes, {rate} jobs/s", apart: true, rate));
            }

            pairs.Add(await StartAsync("one process, idle", apart: false, 0));
            await Task.WhenAll(pairs.SelectMany(pair => pair.Programs).Select(program => program.WarmUpAsync()));
            Print($"all pages are warm; rounds of two times {Windows} windows of {window.TotalSeconds:0} s, at most {rounds}");
            await Task.Delay(rest);
            for (var round = 0; round < rounds && !(round > 0 && pairs.TrueForAll(pair => pair.IsCertain)); round++)
            {
                await RoundAsync(pairs, window, round % 2);
                Print($"\nafter {round + 1} rounds, CPU time as % of one core (of {Environment.ProcessorCount}), median (95 % certain)");
                pairs.ForEach(pair => pair.Report());
            }
        }
        finally
        {
            foreach (var program in pairs.SelectMany(pair => pair.Programs))
            {
                await program.DisposeAsync();
            }
        }

        async Task<Pair> StartAsync(string name, bool apart, int rate) => new(name, [await OneAsync(apart, rate), await OneAsync(apart, rate)]);

        async Task<DashboardProgram> OneAsync(bool apart, int rate) => await DashboardProgram.StartAsync(await places.NewAsync(), apart, rate);
    }

    static async Task RoundAsync(List<Pair> pairs, TimeSpan window, int first)
    {
        var (ones, others) = (pairs.Select(pair => pair.Programs[first]), pairs.Select(pair => pair.Programs[1 - first]));
        var half = await MeasureAsync(pairs, window, leadIn, closed => ones.Select(program => program.OpenTabsAsync(closed)));
        var texts = await MeasureAsync(pairs, window, rest - (window * Windows), closed => others.Select(program => program.AskForTextsAsync(closed)));
        var otherHalf = await MeasureAsync(pairs, window, leadIn, closed => others.Select(program => program.OpenTabsAsync(closed)));
        pairs.ForEach(pair => pair.Take(half, texts, otherHalf, first));
    }

    /// <returns>The share of a core that each process has used in each window.</returns>
    static async Task<List<Dictionary<DashboardProcess, double>>> MeasureAsync(
        List<Pair> pairs, TimeSpan window, TimeSpan before, Func<CancellationToken, IEnumerable<Task>> load)
    {
        var processes = pairs.SelectMany(pair => pair.Programs).SelectMany(program => new[] { program.Worker, program.Web }).Distinct().ToList();
        using var closed = new CancellationTokenSource();
        var loading = Task.WhenAll(load(closed.Token).ToList());
        await Task.Delay(before > TimeSpan.Zero ? before : TimeSpan.Zero);
        List<Dictionary<DashboardProcess, double>> shares = [];
        var last = await Task.WhenAll(processes.Select(process => process.UsedAsync()));
        while (shares.Count < Windows)
        {
            await Task.Delay(window);
            var now = await Task.WhenAll(processes.Select(process => process.UsedAsync()));
            shares.Add(Enumerable.Range(0, processes.Count).ToDictionary(at => processes[at], at => Used.Share(last[at], now[at])));
            last = now;
        }

        await closed.CancelAsync();
        await loading;
        return shares;
    }

    static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>Two like programs, and what was measured of them.</summary>
    sealed class Pair(string name, DashboardProgram[] programs)
    {
        readonly List<double> without = [];
        readonly List<double> cost = [];
        readonly List<double> ratio = [];
        readonly List<double> http = [];
        readonly List<double> costOfWeb = [];

        public DashboardProgram[] Programs => programs;

        /// <summary>Whether the cost is certainly above the limit, or certainly below.</summary>
        public bool IsCertain => Spread.Certain(cost) is var spread && (spread.Least > Limit || spread.Most < Limit);

        public void Take(
            List<Dictionary<DashboardProcess, double>> half, List<Dictionary<DashboardProcess, double>> texts,
            List<Dictionary<DashboardProcess, double>> otherHalf, int first)
        {
            var (one, other) = (programs[first], programs[1 - first]);
            var quiet = Spread.Of(half.Select(window => window[other.Web])).Median;
            http.AddRange(texts.Select(window => window[other.Web] - quiet));
            foreach (var (before, after) in half.Zip(otherHalf))
            {
                var with = (before[one.Worker] + after[other.Worker]) / 2;
                without.Add((before[other.Worker] + after[one.Worker]) / 2);
                cost.Add(with - without[^1]);
                ratio.Add(with / without[^1]);
                costOfWeb.Add((before[one.Web] + after[other.Web] - before[other.Web] - after[one.Web]) / 2);
            }
        }

        public void Report()
        {
            var verdict = !IsCertain ? "not certain yet" : Spread.Of(cost).Median < Limit ? "certainly below 1 %" : "certainly above 1 %";
            Print($"{name,-28} no tab {Percent(without)}, ten tabs cost {Percent(cost)} of a core, {verdict};");
            Print($"{"",-28} {Spread.Of(cost).Median * 100 / Environment.ProcessorCount:0.00} % of the machine; {Spread.Certain(ratio).ToString("0.00")} times no tab");
            Print($"{"",-28} the process with the dashboard {Percent(costOfWeb)}, of that HTTP by itself {Percent(http)}");
            var (asked, unchanged) = (programs.Sum(program => program.Count.Asked), programs.Sum(program => program.Count.Unchanged));
            Print($"{"",-28} {asked} answers, of them {unchanged} without a text; bytes: {string.Join(", ", Sizes())}");
        }

        static string Percent(IEnumerable<double> shares) => $"{Spread.Certain(shares.Select(share => share * 100)).ToString("0.00")} %";

        IEnumerable<string> Sizes() => programs[0].Count.Sizes.OrderBy(size => size.Key, StringComparer.Ordinal)
            .Select(size => (Page: size.Key.Length == 0 ? "now" : size.Key.Split('?')[0], Bytes: size.Value))
            .Select(size => string.Create(CultureInfo.InvariantCulture, $"{size.Page} {size.Bytes:n0}"));
    }
}
