using System.Text;
using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>The table of the history, by several processes on one file: each a transport of its own.</summary>
public sealed class HistoryTests : IDisposable
{
    readonly SqliteFile file = new();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task An_entry_wakes_a_reader_in_another_process_long_before_anybody_looks()
    {
        await using var worker = file.Open();
        await using var viewer = file.Open(new NeverLooks());
        await using var reader = viewer.History.Read(LogStart.Beginning);
        var next = reader.NextAsync(Stop).AsTask();
        await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_session") == 1);

        await AppendAsync(worker, "one");

        Assert.Equal("one", Text(Assert.Single(await next.Soon())));
    }

    [Fact]
    public async Task The_history_outlives_its_process_and_positions_are_never_given_twice()
    {
        await using (var worker = file.Open())
        {
            await AppendAsync(worker, "one", "two");
        }

        using (var database = Database.Open(file.Path))
        {
            database.Execute("DELETE FROM jobs_history WHERE position = 2");
        }

        await using var again = file.Open();
        await AppendAsync(again, "three");
        await using var reader = again.History.Read(LogStart.Beginning);
        Assert.Equal([(1L, "one"), (3L, "three")], (await reader.NextAsync(Stop).Soon()).Select(entry => (entry.Position, Text(entry))));
        Assert.Equal(new LogExtent(1, 4), await again.History.ExtentAsync(Stop));
    }

    [Fact]
    public async Task Old_entries_are_removed_in_small_steps_by_whoever_adds_some()
    {
        var clock = new WallClock();
        await using var transport = file.Open(clock, options: new() { HistoryAge = TimeSpan.FromHours(1) });
        for (var i = 0; i < 450; i++)
        {
            await transport.History.AppendAsync([Encoding.UTF8.GetBytes($"{i}")], Stop);
        }

        await WrittenAsync(transport);
        clock.Jump(TimeSpan.FromHours(2));

        await AppendAsync(transport, "new");

        Assert.Equal(251, Count());
        await AppendAsync(transport, "newer");
        await AppendAsync(transport, "newest");
        Assert.Equal(3, Count());
        await using var reader = transport.History.Read(LogStart.Beginning);
        Assert.Equal(["new", "newer", "newest"], (await reader.NextAsync(Stop).Soon()).Select(Text));
    }

    [Fact]
    public async Task A_history_that_gets_nothing_more_is_cleared_too()
    {
        var clock = new WallClock();
        await using var transport = file.Open(clock, options: new() { HistoryAge = TimeSpan.FromHours(1) });
        await AppendAsync(transport, "one", "two");
        clock.Jump(TimeSpan.FromHours(2));

        await transport.PruneResultsAsync();

        Assert.Equal(0, Count());
        Assert.Equal(new LogExtent(3, 3), await transport.History.ExtentAsync(Stop));
        await AppendAsync(transport, "three");
        await using var reader = transport.History.Read(LogStart.From(1));
        Assert.Equal(3, Assert.Single(await reader.NextAsync(Stop).Soon()).Position);
    }

    [Fact]
    public async Task A_locked_file_holds_up_nobody_who_adds_entries_and_what_is_too_much_is_dropped_and_counted()
    {
        await using var transport = file.Open();
        await AppendAsync(transport, "before");
        var megabyte = new byte[1 << 20];
        using (await file.LockAsync())
        {
            for (var i = 0; i < 10; i++)
            {
                var append = transport.History.AppendAsync([megabyte], Stop);
                Assert.True(append.IsCompletedSuccessfully);
            }

            Assert.Equal(6, transport.History.Dropped);
        }

        await WrittenAsync(transport);
        Assert.Equal(5, Count());
        await AppendAsync(transport, "after");
        Assert.Equal((6, 6), (Count(), transport.History.Dropped));
    }

    [Fact]
    public async Task A_history_of_no_bytes_is_none()
    {
        await using var transport = file.Open(options: new() { HistoryBytes = 0 });

        await AppendAsync(transport, "one");

        Assert.Equal(0, Count());
        Assert.Equal(0, transport.History.Dropped);
    }

    [Fact]
    public async Task A_reader_finds_a_time_among_many_entries()
    {
        var clock = new WallClock();
        await using var transport = file.Open(clock, options: new() { HistoryAge = TimeSpan.FromDays(100) });
        var times = new List<DateTimeOffset>();
        for (var day = 0; day < 40; day++)
        {
            times.Add(clock.GetUtcNow());
            await AppendAsync(transport, $"{day}");
            clock.Jump(TimeSpan.FromDays(1));
        }

        foreach (var day in new[] { 0, 1, 17, 38, 39 })
        {
            await using var reader = transport.History.Read(LogStart.At(times[day].AddSeconds(-10)));
            Assert.Equal($"{day}", Text((await reader.NextAsync(Stop).Soon())[0]));
        }
    }

    [Fact]
    public async Task Ten_readers_follow_while_somebody_writes()
    {
        const int Count = 2_000;
        await using var worker = file.Open();
        await using var viewer = file.Open();
        var readers = Enumerable.Range(0, 10).Select(_ => Task.Run(async () =>
        {
            await using var reader = viewer.History.Read(LogStart.Beginning);
            var seen = new List<string>();
            while (seen.Count < Count)
            {
                seen.AddRange((await reader.NextAsync(Stop).Soon()).Select(Text));
            }

            return seen;
        })).ToArray();

        for (var i = 0; i < Count; i++)
        {
            await worker.History.AppendAsync([Encoding.UTF8.GetBytes($"{i}")], Stop);
        }

        var expected = Enumerable.Range(0, Count).Select(i => $"{i}").ToList();
        foreach (var reader in readers)
        {
            Assert.Equal(expected, await reader.Soon());
        }
    }

    long Count() => file.Single("SELECT count(*) FROM jobs_history");

    static string Text(LogEntry entry) => Encoding.UTF8.GetString(entry.Bytes.Span);

    static async Task AppendAsync(SqliteTransport transport, params string[] entries)
    {
        await transport.History.AppendAsync([.. entries.Select(entry => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(entry))], Stop);
        await WrittenAsync(transport);
    }

    // The writer works in order.
    static async Task WrittenAsync(SqliteTransport transport) => await transport.CountAsync("none", Stop).Soon();

    sealed class NeverLooks : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }
}
