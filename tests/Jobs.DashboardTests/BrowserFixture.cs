using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace Jobs.DashboardTests;

/// <summary>The machine's chromium. Started by the first test that needs it.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    static readonly TimeSpan closing = TimeSpan.FromSeconds(10);

    readonly Lazy<Task<(IPlaywright Playwright, IBrowser Browser)>> started = new(StartAsync);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async Task<BrowserVisit> VisitAsync(ColorScheme scheme, int width, bool hasScript = true, string? zone = null)
    {
        var (_, browser) = await started.Value;
        var context = await browser.NewContextAsync(new()
        {
            ColorScheme = scheme,
            ViewportSize = new() { Width = width, Height = 900 },
            JavaScriptEnabled = hasScript,
            TimezoneId = zone,
            Locale = "en-GB",
        });
        return new(context, await context.NewPageAsync());
    }

    public async ValueTask DisposeAsync()
    {
        if (started.IsValueCreated)
        {
            var (playwright, browser) = await started.Value;
            await CloseAsync(browser);
            playwright.Dispose(); // ends the browser's process too
        }
    }

    /// <summary>
    /// Closes a window or the browser, and waits ten seconds at most. Chromium was seen never to answer while a page was
    /// loading. That is no failure of a test.
    /// </summary>
    public static async ValueTask CloseAsync(IAsyncDisposable opened) =>
        await opened.DisposeAsync().AsTask().WaitAsync(closing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    static async Task<(IPlaywright, IBrowser)> StartAsync()
    {
        string[] names = ["chromium", "chromium-browser", "google-chrome"];
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        var chromium = folders.SelectMany(folder => names.Select(name => Path.Combine(folder, name))).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException("These tests need a browser: apt-get install chromium. tests/run.sh does it by itself.");
        var playwright = await Playwright.CreateAsync();
        return (playwright, await playwright.Chromium.LaunchAsync(new() { ExecutablePath = chromium, Args = ["--no-sandbox", "--disable-dev-shm-usage"] }));
    }
}

/// <summary>A window of the browser, which notes what must not happen.</summary>
public sealed class BrowserVisit : IAsyncDisposable
{
    const string NotFound = "Failed to load resource: the server responded with a status of 404";

    readonly IBrowserContext context;
    readonly ConcurrentQueue<string> complaints = new();

    public BrowserVisit(IBrowserContext context, IPage page)
    {
        (this.context, Page) = (context, page);
        page.Console += (_, message) =>
        {
            // What breaks the content security policy is an error here. A page that answers 404 is one too, and allowed.
            if (message.Type == "error" && !message.Text.StartsWith(NotFound, StringComparison.Ordinal))
            {
                complaints.Enqueue(message.Text);
            }
        };
        page.PageError += (_, error) => complaints.Enqueue(error);
        page.Dialog += async (_, dialog) =>
        {
            complaints.Enqueue($"a dialog: {dialog.Message}");
            await dialog.DismissAsync();
        };
    }

    public IPage Page { get; }

    public void MustBeQuiet(string path) => Assert.True(complaints.IsEmpty, $"{path}: {string.Join("\n", complaints)}");

    /// <summary>Keeps a picture in a folder that git ignores, so that a person can look.</summary>
    public Task ShootAsync(string name) => Page.ScreenshotAsync(new() { Path = Path.Combine(Folder(), $"{name}.png"), FullPage = true });

    public ValueTask DisposeAsync() => BrowserFixture.CloseAsync(context);

    static string Folder([System.Runtime.CompilerServices.CallerFilePath] string file = "") => Path.Combine(Path.GetDirectoryName(file)!, "screenshots");
}
