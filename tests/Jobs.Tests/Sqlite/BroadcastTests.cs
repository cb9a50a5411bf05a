using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Events through the file: nothing is written for nobody, nothing is kept, and a dead listener does not count.</summary>
public sealed class BroadcastTests : IDisposable
{
    readonly SqliteFile file = new();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task Nothing_is_written_when_nobody_listens_to_that_topic()
    {
        await using var sender = file.Open();
        await using var other = file.Open();
        await using var listener = await other.Broadcast.ListenAsync("jobs.watch", Stop).Soon();
        using var watch = Database.Open(file.Path);
        var before = watch.Single("PRAGMA data_version");

        for (var i = 0; i < 100; i++)
        {
            Send(sender, "task.multi", "x");
        }

        await sender.Broadcast.CloseAsync(TimeProvider.System); // all was looked at
        Assert.Equal(before, watch.Single("PRAGMA data_version"));
        Assert.Equal(0, watch.Single("SELECT count(*) FROM jobs_event"));
        Assert.Equal(0, sender.Broadcast.Dropped);
    }

    [Fact]
    public async Task A_listener_of_another_process_hears_at_once()
    {
        await using var listening = file.Open();
        await using var listener = await listening.Broadcast.ListenAsync("#", Stop).Soon();
        await using var sender = file.Open();
        Send(sender, "task.multi", "x");
        Assert.Equal("task.multi", (await listener.NextAsync(Stop).Soon())!.Topic);
    }

    [Fact]
    public async Task A_listener_whose_process_has_died_is_no_listener()
    {
        await using var one = file.Open();
        await using var two = file.Open();
        var dead = (SqliteListener)await one.Broadcast.ListenAsync("#", Stop).Soon();
        Send(two, "task.multi", "x");
        await dead.NextAsync(Stop).Soon();
        await dead.AbandonAsync();
        await using var living = await two.Broadcast.ListenAsync("worker.#", Stop).Soon(); // looks for the dead each second
        await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_listener") == 1);

        var events = file.Single("SELECT count(*) FROM jobs_event");
        Send(two, "task.multi", "y");
        Send(two, "worker.online", "z");
        Assert.Equal("worker.online", (await living.NextAsync(Stop).Soon())!.Topic);
        Assert.Equal(events + 1, file.Single("SELECT count(*) FROM jobs_event"));
    }

    [Fact]
    public async Task Old_events_go_with_the_next_ones_and_there_are_never_many()
    {
        var clock = new WallClock();
        await using var transport = file.Open(clock);
        await using var listener = await transport.Broadcast.ListenAsync("#", Stop).Soon();
        for (var i = 0; i < 1_000; i++)
        {
            Send(transport, "task.multi", $"{i}");
            await listener.NextAsync(Stop).Soon();
        }

        Assert.InRange(file.Single("SELECT count(*) FROM jobs_event"), 1, 600);
        clock.Jump(TimeSpan.FromSeconds(11));
        for (var i = 0; i < 20; i++)
        {
            Send(transport, "task.multi", "new");
            await listener.NextAsync(Stop).Soon();
        }

        Assert.Equal(20, file.Single("SELECT count(*) FROM jobs_event"));
        Assert.Equal(0, listener.Dropped);
    }

    [Fact]
    public async Task A_file_that_stays_locked_holds_up_nobody_and_what_does_not_fit_is_counted()
    {
        await using var transport = file.Open();
        await using var listener = await transport.Broadcast.ListenAsync("#", Stop).Soon();
        using (await file.LockAsync())
        {
            for (var i = 0; i < 3 * BroadcastQueue.MostEvents; i++)
            {
                Send(transport, "task.multi", $"{i}");
            }

            Assert.InRange(transport.Broadcast.Dropped, 1, 3 * BroadcastQueue.MostEvents);
        }

        var last = (BroadcastMessage?)null;
        while (last is null || System.Text.Encoding.UTF8.GetString(last.Body.Span) != $"{(3 * BroadcastQueue.MostEvents) - 1}")
        {
            last = await listener.NextAsync(Stop).Soon();
        }
    }

    static void Send(SqliteTransport transport, string topic, string text) =>
        transport.Broadcast.Send(new() { Topic = topic, Body = System.Text.Encoding.UTF8.GetBytes(text), Sender = "tester" });
}
