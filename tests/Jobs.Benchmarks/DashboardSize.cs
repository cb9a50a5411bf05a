using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Jobs.Benchmarks;

/// <summary>
/// How long each page takes with many jobs in the history and many dead letters, as a browser sees it. Each read asks
/// everything anew: none is answered with what another page has just asked.
/// </summary>
static partial class DashboardSize
{
    const int Reads = DashboardChild.Dashboards; // each from another dashboard of the process
    const int ReadsBeyond = 5;

    static readonly TimeSpan afterAPage = TimeSpan.FromSeconds(2); // what it has asked is then asked anew

    public static async Task RunAsync(BenchmarkOptions options, BenchBroker? broker)
    {
        using var places = new DashboardPlaces(options, broker);
        var place = await places.NewAsync();
        var start = Stopwatch.GetTimestamp();
        await using var program = await DashboardProgram.StartAsync(place, apart: true, rate: 0);
        using var http = DashboardTab.Browser(program.Web.Address!);
        Print($"a worker and a site started after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
        await FirstAsync(http);
        await DashboardTab.GetAsync(http, "jobs0/dead", isFragment: false, null, default);
        await MemoryAsync(program, "after the first questions");

        foreach (var (_, page) in Pages(places.Ids)) // or the compiler would be measured
        {
            await ReadAsync(http, page, Reads);
        }

        Print($"\n{"from the index",-30}{"p50 ms",9}{"p99 ms",9}{"most ms",9}{"CPU ms",9}{"worker",9}{"bytes",9}");
        foreach (var (name, page) in Pages(places.Ids))
        {
            await TimeAsync(program, http, name, page, Reads);
        }

        await MemoryAsync(program, $"after {Reads} reads of each page, each on another of {DashboardChild.Dashboards} dashboards");
        Print($"\n{"beyond it",-30}{"p50 ms",9}{"p99 ms",9}{"most ms",9}{"CPU ms",9}{"worker",9}{"bytes",9}");
        foreach (var (name, page) in PagesBeyond(places.Ids))
        {
            var text = await TimeAsync(program, http, name, page, ReadsBeyond);
            Print($"{"",-30} {(LookedBack().Match(text) is { Success: true } says ? says.Value : "says nothing of how far back it looked")}");
        }
    }

    // The first question of a process reads the history.
    static async Task FirstAsync(HttpClient http)
    {
        var start = Stopwatch.GetTimestamp();
        await DashboardTab.GetAsync(http, "jobs0/", isFragment: false, null, default);
        var first = Stopwatch.GetElapsedTime(start);
        var last = "nothing";
        while (Pending().Match((await DashboardTab.GetAsync(http, "jobs0/", isFragment: true, null, default)).Text!) is { Success: true } pending)
        {
            last = pending.Groups[1].Value;
            await Task.Delay(100);
        }

        var all = Stopwatch.GetElapsedTime(start);
        Print($"the first page of the process after {first.TotalSeconds:0.00} s, with all figures after {all.TotalSeconds:0.00} s: the last ones from {last}");
    }

    // A search that finds less than a page of jobs in the index goes on beyond it. These find a page.
    static IEnumerable<(string Name, Func<int, string> Page)> Pages(string[] ids)
    {
        var known = Math.Min(ids.Length, 90_000); // of the newest ones, so that the index has them
        yield return ("Now", _ => "");
        yield return ("Failures", _ => "failures");
        yield return ("Queues", _ => "queues");
        yield return ("Jobs", _ => "jobs");
        yield return ("  by task", i => $"jobs?task=bench.task{i % 20}");
        yield return ("  by the beginning of a task", i => $"jobs?task=bench.task{i % 10}*");
        yield return ("  by id", i => $"jobs?id={Id(i)}");
        yield return ("  by queue", _ => "jobs?queue=bench");
        yield return ("  by state", _ => "jobs?state=dead");
        yield return ("  by text in its arguments", i => $"jobs?args=number+{(ids.Length - Number(i)) / 1000}"); // of a thousand jobs and more
        yield return ("  by error", _ => "jobs?error=too+slow");
        yield return ("  by time", i => $"jobs?from={Time(Id(i), -1)}&to={Time(Id(i), 1)}");
        yield return ("A job", i => $"job?id={Id(i)}");
        yield return ("Workers", _ => "workers");
        yield return ("Schedules", _ => "schedules");
        yield return ("Dead letters", _ => "dead");
        yield return ("  of one group", i => $"dead?type=System.TimeoutException&frame={Uri.EscapeDataString($"Bench.Tasks.Run{i}()")}");
        yield return ("  by reason", i => $"dead?text={Uri.EscapeDataString($"timed out {i}")}");

        int Number(int i) => 1 + (i * 7919 % known);
        string Id(int i) => ids[^Number(i)];
    }

    static IEnumerable<(string Name, Func<int, string> Page)> PagesBeyond(string[] ids)
    {
        string Id(int i) => ids[(ids.Length / 4) + (i * 1009)];
        yield return ("A job", i => $"job?id={Id(i)}");
        yield return ("Jobs by id", i => $"jobs?id={Id(i)}");
        yield return ("  by text that few have", i => $"jobs?args={Uri.EscapeDataString($"number {(ids.Length / 2) + (i * 1009)}'")}");
        yield return ("  by error, without a match", i => $"jobs?error=no+such+error+{i}");
        yield return ("  by time", i => $"jobs?from={Time(Id(i), -1)}&to={Time(Id(i), 1)}");
    }

    // A time near to that in an id, as a field of the page has it.
    static string Time(string id, int seconds) => DateTimeOffset.FromUnixTimeMilliseconds(
        long.Parse(id.Replace("-", "", StringComparison.Ordinal)[..12], NumberStyles.HexNumber, CultureInfo.InvariantCulture))
        .AddSeconds(seconds).ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);

    /// <returns>The last answer.</returns>
    static async Task<string> TimeAsync(DashboardProgram program, HttpClient http, string name, Func<int, string> page, int reads)
    {
        await Task.Delay(afterAPage);
        var (web, worker) = (await program.Web.UsedAsync(), await program.Worker.UsedAsync());
        var (times, last) = await ReadAsync(http, page, reads);
        var (cpu, cpuOfWorker) = ((await program.Web.UsedAsync()).Cpu - web.Cpu, (await program.Worker.UsedAsync()).Cpu - worker.Cpu);
        Array.Sort(times);
        var (p50, p99, each, eachOfWorker) = (times[reads / 2], times[(int)(reads * 0.99)], cpu.TotalMilliseconds / reads, cpuOfWorker.TotalMilliseconds / reads);
        Print($"{name,-30}{p50,9:0.0}{p99,9:0.0}{times[^1],9:0.0}{each,9:0.0}{eachOfWorker,9:0.0}{last.Length,9:n0}");
        return last;
    }

    static async Task<(double[] Times, string Last)> ReadAsync(HttpClient http, Func<int, string> page, int reads)
    {
        var (times, last) = (new double[reads], "");
        for (var i = 0; i < reads; i++)
        {
            var start = Stopwatch.GetTimestamp();
            last = (await DashboardTab.GetAsync(http, $"jobs{i}/{page(i)}", isFragment: false, null, default)).Text!;
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        return (times, last);
    }

    static async Task MemoryAsync(DashboardProgram program, string when)
    {
        var (web, worker) = (await program.Web.UsedAsync(), await program.Worker.UsedAsync());
        Print($"{when}:");
        Print($"the site has {web.WorkingSet / 1e6:0} MB ({web.Heap / 1e6:0} MB managed), the worker {worker.WorkingSet / 1e6:0} MB ({worker.Heap / 1e6:0} MB)");
    }

    static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    [GeneratedRegex("""Asking for ([a-z ]+) …""")]
    private static partial Regex Pending();

    [GeneratedRegex("""Looked at all jobs since <time datetime="[^"]+"|Nobody has heard of this job since <time datetime="[^"]+"|No job is like this\.""")]
    private static partial Regex LookedBack();
}
