using System.Collections.Concurrent;
using System.Diagnostics;
using Jobs.Contracts;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>A process of tests/Jobs.SqliteWorker, which does to a file what it is told, and reports it line by line.</summary>
sealed class WorkerProcess : IAsyncDisposable
{
    readonly Process process;
    readonly ConcurrentQueue<string> lines = new();
    readonly ConcurrentQueue<string> errors = new();

    /// <param name="file">The database.</param>
    /// <param name="ignoresFileSizeSignal">Whether a write beyond the limit of a file's size fails, and does not kill.</param>
    /// <param name="environment">More variables.</param>
    public WorkerProcess(string file, bool ignoresFileSizeSignal = false, IReadOnlyDictionary<string, string>? environment = null)
    {
        string[] command = ["dotnet", Program(), file];
        var start = ignoresFileSizeSignal
            ? new ProcessStartInfo("/bin/sh", ["-c", "trap '' XFSZ; exec \"$@\"", "sh", .. command])
            : new ProcessStartInfo(command[0], command[1..]);
        (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError) = (true, true, true);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        process = Process.Start(start)!;
        process.OutputDataReceived += (_, e) => Add(lines, e.Data);
        process.ErrorDataReceived += (_, e) => Add(errors, e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Id => process.Id;

    /// <summary>What it has said so far.</summary>
    public IReadOnlyCollection<string> Lines => lines;

    /// <summary>The rest of all lines that begin with a word.</summary>
    public string[] All(string word) =>
        [.. lines.Where(line => line.StartsWith(word + ' ', StringComparison.Ordinal)).Select(line => line[(word.Length + 1)..])];

    public void Do(string command) => process.StandardInput.WriteLine(command);

    /// <summary>Waits for a line that begins so.</summary>
    public async Task<string> SaysAsync(string start)
    {
        string? found = null;
        await Until(() => (found = lines.FirstOrDefault(line => line.StartsWith(start, StringComparison.Ordinal))) is not null, start);
        return found!;
    }

    public async Task Until(Func<bool> condition, string what) => await Wait.Until(
        () =>
        {
            var ended = process.HasExited;
            var holds = condition();
            Assert.False(ended && !holds, $"The process has ended; expected '{what}'. {string.Join('\n', errors)}");
            return holds;
        },
        what);

    /// <summary>Ends it with SIGKILL. When the call returns, all that it had said is there.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await HasEndedAsync();
    }

    /// <summary>Waits for its end, and for its last line.</summary>
    public Task HasEndedAsync() => process.WaitForExitAsync(TestContext.Current.CancellationToken).Soon();

    public async Task QuitAsync()
    {
        Do("quit");
        await HasEndedAsync();
        Assert.True(process.ExitCode == 0, string.Join('\n', errors));
    }

    public Task SignalAsync(string signal) => RunAsync("/bin/sh", "-c", $"kill -{signal} {Id}");

    /// <summary>Runs a command of the system to its end.</summary>
    public static async Task RunAsync(string file, params string[] arguments)
    {
        using var command = Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardError = true })!;
        var error = await command.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken).Soon();
        await command.WaitForExitAsync(TestContext.Current.CancellationToken).Soon();
        Assert.True(command.ExitCode == 0, $"{file} {string.Join(' ', arguments)}: {error}");
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }

        process.Dispose();
    }

    static void Add(ConcurrentQueue<string> to, string? line)
    {
        if (line is not null)
        {
            to.Enqueue(line);
        }
    }

    // The test project builds it; the configuration and framework are those of the tests themselves.
    static string Program()
    {
        var build = new DirectoryInfo(AppContext.BaseDirectory); // …/tests/Jobs.Tests/bin/Debug/net10.0
        var path = Path.Combine(Repository.Root, "tests", "Jobs.SqliteWorker", "bin", build.Parent!.Name, build.Name, "Jobs.SqliteWorker.dll");
        return File.Exists(path) ? path : throw new FileNotFoundException($"{path} is not there: build the solution first.");
    }
}
