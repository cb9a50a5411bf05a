using System.Diagnostics;
using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>
/// How long a job takes from the process that enqueues it to a worker in another process on the same file. That includes
/// the commit, which waits for the disk; what the call of EnqueueAsync takes is printed beside it.
/// </summary>
static class SqliteWake
{
    static readonly TimeSpan pause = TimeSpan.FromMilliseconds(20);

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var directory = Directory.CreateTempSubdirectory("jobs-bench-");
        var file = Path.Combine(directory.FullName, "jobs.db");
        try
        {
            await using var side = await JobsUnderTest.StartAsync(options with { Sqlite = file }, worker: false);
            using var worker = Start(file);
            await ExpectAsync(worker, "ready");
            await EnqueueAsync(side, 50); // warm-up
            await ReportAsync(worker, "");
            await EnqueueAsync(side, 500);
            await ReportAsync(worker, "a job each 20 ms");

            var seconds = options.Seconds ?? 60;
            var cpu = worker.TotalProcessorTime;
            await Task.Delay(TimeSpan.FromSeconds(seconds));
            worker.Refresh();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"idle worker process      {(worker.TotalProcessorTime - cpu).TotalSeconds / seconds * 100:0.00} % of one processor, over {seconds} s"));

            await EnqueueAsync(side, 1);
            await ReportAsync(worker, "the first one after that");
            await EnqueueAsync(side, 200);
            await ReportAsync(worker, "a job each 20 ms");
            await worker.StandardInput.WriteLineAsync("stop");
            await worker.WaitForExitAsync();
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    /// <summary>The other process: runs jobs until it is told to stop, and says how late they started when it is asked.</summary>
    public static async Task WorkAsync(BenchmarkOptions options)
    {
        await using var side = await JobsUnderTest.StartAsync(options);
        Console.WriteLine("ready");
        while (Console.ReadLine() is { } line && line != "stop")
        {
            var count = int.Parse(line, CultureInfo.InvariantCulture);
            while (true)
            {
                lock (side.StartLatencies)
                {
                    if (side.StartLatencies.Count >= count)
                    {
                        var sorted = side.StartLatencies.Order().ToList();
                        side.StartLatencies.Clear();
                        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                            $"p50 {sorted[sorted.Count / 2]:0.00} ms, p99 {sorted[sorted.Count * 99 / 100]:0.00} ms, most {sorted[^1]:0.00} ms, of {count} jobs"));
                        break;
                    }
                }

                await Task.Delay(10);
            }
        }
    }

    static int sent;
    static readonly List<double> enqueues = [];

    static async Task EnqueueAsync(JobsUnderTest side, int count)
    {
        sent = count;
        enqueues.Clear();
        for (var i = 0; i < count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await side.EnqueueAsync();
            enqueues.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            await Task.Delay(pause);
        }
    }

    static async Task ReportAsync(Process worker, string what)
    {
        await worker.StandardInput.WriteLineAsync(sent.ToString(CultureInfo.InvariantCulture));
        var answer = await worker.StandardOutput.ReadLineAsync();
        if (what.Length > 0)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-25}{answer}; the enqueue alone p50 {Spread.Of(enqueues).Median:0.00} ms"));
        }
    }

    static async Task ExpectAsync(Process worker, string line)
    {
        if (await worker.StandardOutput.ReadLineAsync() is var said && said != line)
        {
            throw new InvalidOperationException($"The worker process said '{said}' in place of '{line}'.");
        }
    }

    static Process Start(string file) => Process.Start(new ProcessStartInfo("dotnet", [typeof(SqliteWake).Assembly.Location, "wake-worker", "--transport", $"sqlite:{file}"])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
    })!;
}
