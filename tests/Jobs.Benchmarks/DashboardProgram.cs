using System.Text.RegularExpressions;

namespace Jobs.Benchmarks;

/// <summary>A program with a worker and a dashboard, in one process or in two, that has its jobs for itself.</summary>
sealed partial class DashboardProgram : IAsyncDisposable
{
    const int WarmUps = 2; // of each dashboard of a process

    readonly DashboardTab.Counter count = new();
    IReadOnlyList<string> pages = [];

    DashboardProgram(DashboardProcess worker, DashboardProcess web) => (Worker, Web) = (worker, web);

    public DashboardProcess Worker { get; }

    /// <summary>The process with the dashboard; perhaps it has the worker too.</summary>
    public DashboardProcess Web { get; }

    /// <summary>How often tabs have asked.</summary>
    public DashboardTab.Counter Count => count;

    /// <param name="place">Where its jobs are.</param>
    /// <param name="apart">Whether worker and dashboard are two processes.</param>
    /// <param name="rate">Jobs per second.</param>
    public static async Task<DashboardProgram> StartAsync(BenchmarkOptions place, bool apart, int rate)
    {
        if (!apart)
        {
            var both = await DashboardProcess.StartAsync(place, DashboardChild.Both, rate);
            return new(both, both);
        }

        var worker = await DashboardProcess.StartAsync(place, DashboardChild.Worker);
        return new(worker, await DashboardProcess.StartAsync(place, DashboardChild.Web, rate));
    }

    /// <summary>Asks for each page so often that all code is compiled for good, or the compiler would be measured.</summary>
    public async Task WarmUpAsync()
    {
        using var http = DashboardTab.Browser(Web.Address!);
        pages = ["", "", "", "failures", "queues", "jobs", $"job?id={await JobAsync(http)}", "workers", "schedules", "dead"];
        for (var i = 0; i < WarmUps * DashboardChild.Dashboards; i++)
        {
            foreach (var page in pages)
            {
                var isFragment = i >= DashboardChild.Dashboards;
                var (text, _) = await DashboardTab.GetAsync(http, $"jobs{i % DashboardChild.Dashboards}/{page}", isFragment, null, default);
                count.Sizes[page] = text!.Length;
                await DashboardTab.GetAsync(http, $"text?bytes={text.Length}", isFragment, null, default);
            }
        }
    }

    /// <summary>Has a tab open for each page, until they are closed.</summary>
    public async Task OpenTabsAsync(CancellationToken closed)
    {
        using var http = DashboardTab.Browser(new(Web.Address!, "jobs0/"));
        await DashboardTab.OpenAsync(http, pages, count, closed);
    }

    /// <summary>Asks as often for texts that are as long, from no dashboard.</summary>
    public async Task AskForTextsAsync(CancellationToken closed)
    {
        using var http = DashboardTab.Browser(Web.Address!);
        await DashboardTab.OpenAsync(http, [.. pages.Select(page => $"text?bytes={count.Sizes[page]}")], new(), closed);
    }

    public async ValueTask DisposeAsync()
    {
        if (Web != Worker)
        {
            await Web.DisposeAsync();
        }

        await Worker.DisposeAsync();
    }

    // The page of a failed job has the most to show.
    static async Task<string> JobAsync(HttpClient http)
    {
        while (true)
        {
            var (text, _) = await DashboardTab.GetAsync(http, "jobs0/jobs?state=dead", isFragment: true, null, default);
            if (JobLink().Match(text!) is { Success: true } link)
            {
                return link.Groups[1].Value;
            }

            await Task.Delay(100);
        }
    }

    [GeneratedRegex("""job\?id=([0-9a-f-]{36})""")]
    private static partial Regex JobLink();
}
