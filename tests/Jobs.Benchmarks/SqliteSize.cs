using System.Diagnostics;
using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Jobs.Benchmarks;

/// <summary>What a file that is full of other things costs, and how large a file gets through which many jobs have gone.</summary>
static class SqliteSize
{
    const int Dead = 1_000_000;
    const int Delayed = 200_000;

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var directory = Directory.CreateTempSubdirectory("jobs-bench-");
        try
        {
            await BesideAsync(Path.Combine(directory.FullName, "beside.db"), options);
            await ThroughAsync(Path.Combine(directory.FullName, "through.db"), options);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    // The same jobs with and without others beside them, in turn, in the same file.
    static async Task BesideAsync(string file, BenchmarkOptions options)
    {
        var jobs = Math.Min(options.Jobs, 50_000);
        await using var side = await JobsUnderTest.StartAsync(options with { Sqlite = file });
        await EndToEndAsync(side, jobs);
        var alone = await EndToEndAsync(side, jobs);
        Insert(file, "jobs_ready", Dead, "SELECT (SELECT no FROM jobs_queue WHERE name = 'bench.others'), 0, seq, 0 FROM jobs_message WHERE seq > 1000000000");
        var beside = await EndToEndAsync(side, jobs);
        Print($"end to end, alone             {alone:n0} jobs/s");
        Print($"beside {Dead:n0} others    {beside:n0} jobs/s, ratio {beside / alone:0.00}");

        Insert(file, "jobs_delayed", Delayed, "SELECT 9000000000000, seq, (SELECT no FROM jobs_queue WHERE name = 'bench.others'), 0 FROM jobs_message WHERE seq > 1000000000 LIMIT 200000");
        var cpu = Environment.CpuUsage.TotalTime;
        await Task.Delay(TimeSpan.FromSeconds(10));
        Print($"{Delayed:n0} delayed jobs wait    {(Environment.CpuUsage.TotalTime - cpu).TotalSeconds * 10:0.00} % of one processor, over 10 s");
        Print($"end to end beside them        {await EndToEndAsync(side, jobs):n0} jobs/s");
    }

    static async Task ThroughAsync(string file, BenchmarkOptions options)
    {
        const int Chunk = 100_000;
        await using var side = await JobsUnderTest.StartAsync(options with { Sqlite = file });
        var (largest, start) = (0L, Stopwatch.GetTimestamp());
        for (var done = 0; done < options.Jobs; done += Chunk)
        {
            await EndToEndAsync(side, Math.Min(Chunk, options.Jobs - done));
            largest = Math.Max(largest, new FileInfo($"{file}-wal").Length);
        }

        Print($"{options.Jobs:n0} jobs through one file, {options.Jobs / Stopwatch.GetElapsedTime(start).TotalSeconds:n0} jobs/s");
        Print($"the file has {new FileInfo(file).Length / 1e6:n0} MB, and its -wal had {largest / 1e6:n0} MB at most");
    }

    static async Task<double> EndToEndAsync(JobsUnderTest side, int count)
    {
        var start = Stopwatch.GetTimestamp();
        var done = side.Expect(count);
        await side.EnqueueManyAsync(count);
        await done;
        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    static void Insert(string file, string table, int count, string rows)
    {
        using var connection = new SqliteConnection($"Data Source={file};Pooling=False;Default Timeout=120");
        connection.Open();
        using var transaction = connection.BeginTransaction();
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = string.Create(CultureInfo.InvariantCulture, $"""
            INSERT OR IGNORE INTO jobs_queue (name) VALUES ('bench.others');
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
            INSERT OR IGNORE INTO jobs_message SELECT 1000000000 + i, zeroblob(300), zeroblob(200) FROM n;
            INSERT INTO {table} {rows};
            """);
        command.ExecuteNonQuery();
        transaction.Commit();
    }

    static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
