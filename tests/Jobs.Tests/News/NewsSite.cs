using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Jobs.Tests.News;

/// <summary>A running process of the sample, on a port and a database of its own.</summary>
sealed class NewsSite : IAsyncDisposable
{
    readonly DirectoryInfo folder;
    readonly bool ownsFolder;
    readonly string address;
    readonly HttpClient http; // asks again and again
    readonly HttpClient patient; // asks once, on a machine that may be busy
    readonly Process process;
    readonly ConcurrentQueue<string> output = new();

    NewsSite(string[] more, IReadOnlyDictionary<string, string>? environment, NewsSite? first = null)
    {
        ownsFolder = first is null;
        folder = first?.folder ?? Directory.CreateTempSubdirectory("jobs-news-");
        address = first?.address ?? $"http://127.0.0.1:{FreePort()}";
        var cookies = new CookieContainer(); // both are one reader, who logs in
        http = Client(TimeSpan.FromSeconds(5));
        patient = Client(TimeSpan.FromSeconds(60));
        process = Launch(["--urls", address, "--database", Path.Combine(folder.FullName, "news.db"), "--cron", "*/2 * * * * *", .. more], environment, output.Enqueue);

        HttpClient Client(TimeSpan timeout) => new(new HttpClientHandler { CookieContainer = cookies }) { BaseAddress = new(address), Timeout = timeout };
    }

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    /// <summary>A process with these options, and with its jobs in a file beside its database if they name no other place.</summary>
    public static NewsSite Start(params string[] options) => new(options, null);

    /// <summary>All roles in one process, with its jobs in RabbitMQ.</summary>
    public static NewsSite Start(string broker, IReadOnlyDictionary<string, string> environment) => new(["--broker", broker], environment);

    /// <summary>Another process of the same site: it has the same files and the same address. It must end before this one is disposed.</summary>
    public NewsSite Another(params string[] options) => new(options, null, first: this);

    public static async Task<(int ExitCode, string Error)> RunAsync(string arguments)
    {
        using var process = Launch(arguments.Split(' '));
        var error = process.StandardError.ReadToEndAsync(Stop);
        try
        {
            await process.WaitForExitAsync(Stop).WaitAsync(TimeSpan.FromSeconds(30), Stop);
            return (process.ExitCode, await error);
        }
        finally
        {
            End(process);
        }
    }

    public Task<string> GetAsync(string path) => patient.GetStringAsync(path, Stop);

    public async Task LoginAsync(string user)
    {
        using var form = new FormUrlEncodedContent([new("user", user)]);
        using var answer = await patient.PostAsync("/login", form, Stop);
        answer.EnsureSuccessStatusCode(); // after the redirect to the page
    }

    /// <summary>Presses the button that asks for fresh headlines.</summary>
    public async Task PressRefreshAsync()
    {
        using var answer = await patient.PostAsync("/refresh", null, Stop);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>Asks again and again until the answer is as it should be; fails with the last answer and the process's output.</summary>
    public async Task<string> PollAsync(string path, Predicate<string> expected, TimeSpan within)
    {
        var last = "no answer";
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < within && !process.HasExited; await Task.Delay(100, Stop))
        {
            try
            {
                last = await http.GetStringAsync(path, Stop);
                if (expected(last))
                {
                    return last;
                }
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !Stop.IsCancellationRequested)
            {
                last = e.Message; // it does not listen yet, or is slow
            }
        }

        throw new TimeoutException($"{path} did not become what was expected within {within}; {await StateAsync()}. The last answer: {last}\n{LastLines()}");
    }

    /// <summary>Waits until the process has printed a line with this text.</summary>
    public async Task PrintsAsync(string text, TimeSpan within)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < within && !process.HasExited; await Task.Delay(50, Stop))
        {
            if (output.Any(line => line.Contains(text, StringComparison.Ordinal)))
            {
                return;
            }
        }

        throw new TimeoutException($"It did not print '{text}' within {within}; {await StateAsync()}.\n{LastLines()}");
    }

    /// <returns>The exit code after a SIGTERM.</returns>
    public async Task<int> TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        await kill.WaitForExitAsync(Stop);
        await process.WaitForExitAsync(Stop).WaitAsync(TimeSpan.FromSeconds(30), Stop);
        return process.ExitCode;
    }

    /// <summary>Ends the process by a SIGKILL.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync(Stop).WaitAsync(TimeSpan.FromSeconds(30), Stop);
    }

    public async ValueTask DisposeAsync()
    {
        End(process);
        await process.WaitForExitAsync(CancellationToken.None);
        process.Dispose();
        http.Dispose();
        patient.Dispose();
        if (ownsFolder)
        {
            folder.Delete(recursive: true);
        }
    }

    async Task<string> StateAsync() =>
        process.HasExited ? $"it ended with {process.ExitCode}: {await process.StandardError.ReadToEndAsync(Stop)}" : "it is running";

    string LastLines() => $"Its last lines:\n{string.Join('\n', output.TakeLast(100))}";

    static Process Launch(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, Action<string>? onLine = null)
    {
        var start = new ProcessStartInfo("dotnet", [Program(), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => onLine?.Invoke(line.Data ?? ""); // always drained, so that a full pipe never holds the process up
        process.BeginOutputReadLine();
        return process;
    }

    // The test project builds the sample; the configuration and framework are those of the tests themselves.
    static string Program()
    {
        var build = new DirectoryInfo(AppContext.BaseDirectory); // …/tests/Jobs.Tests/bin/Debug/net10.0
        var path = Path.Combine(Repository.Root, "samples", "News", "bin", build.Parent!.Name, build.Name, "News.dll");
        return File.Exists(path) ? path : throw new FileNotFoundException($"{path} is not there: build the sample first.");
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    static void End(Process process)
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }
    }
}
