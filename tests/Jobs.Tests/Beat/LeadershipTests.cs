using Jobs.Beat;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Beat;

/// <summary>Several beats on one transport: one fires, and another goes on where it ended.</summary>
public sealed class LeadershipTests
{
    static readonly DateTimeOffset noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    static readonly TimeSpan minute = TimeSpan.FromMinutes(1);
    static readonly TimeSpan hour = TimeSpan.FromHours(1);

    readonly SleepCountingClock clock = new(noon);
    readonly InMemoryTransport transport;

    public LeadershipTests() => transport = new(clock);

    /// <summary>Origin: TickerQ #900, #776.</summary>
    [Fact]
    public async Task A_beat_that_stands_by_fires_nothing_until_the_leader_ends()
    {
        await using var leader = await StartAsync(Every("tick", minute));
        await using var standby = RunningBeat.StandBy(clock, transport, Every("tick", minute));

        await leader.RunAsync(3 * minute, minute);
        Assert.Empty(standby.Fired);
        await leader.StopAsync();
        await standby.SettleAsync();
        await standby.RunAsync(2 * minute, minute);

        Assert.Equal(["tick@20260301T120100Z", "tick@20260301T120200Z", "tick@20260301T120300Z"], leader.Fired);
        Assert.Equal(["tick@20260301T120400Z", "tick@20260301T120500Z"], standby.Fired);
        Assert.Equal((1, 1), (leader.Log.Count(306), standby.Log.Count(306)));
    }

    // The leader ends after the occurrence of 12:00; the next one leads from 15:00:30 on. 13:00 and 14:00 are missed, 15:00 is only late.
    [Theory]
    [InlineData(MisfirePolicy.Skip, "15")]
    [InlineData(MisfirePolicy.Once, "14 15")]
    [InlineData(MisfirePolicy.All, "13 14 15")]
    public async Task Occurrences_that_passed_while_no_beat_ran_follow_the_misfire_policy(MisfirePolicy policy, string hours)
    {
        clock.AdjustTime(noon - minute);
        await using (var leader = await StartAsync(Every("tick", hour, policy)))
        {
            await leader.JumpAsync(minute);
            Assert.Equal(["tick@20260301T120000Z"], leader.Fired);
        }

        clock.Advance(3 * hour + minute / 2);
        await using var next = await StartAsync(Every("tick", hour, policy));

        Assert.Equal(hours.Split(' ').Select(h => $"tick@20260301T{h}0000Z"), next.Fired);
    }

    [Fact]
    public async Task The_first_occurrence_of_a_new_schedule_is_owed_even_when_its_beat_is_gone_before_it()
    {
        await using (await StartAsync(Every("tick", hour)))
        {
        }

        clock.Advance(hour + minute / 2);
        await using var next = await StartAsync(Every("tick", hour));

        Assert.Equal(["tick@20260301T130000Z"], next.Fired);
    }

    [Fact]
    public async Task A_schedule_that_was_timed_anew_begins_with_the_beat_that_knows_it()
    {
        await using (var before = await StartAsync(Every("tick", hour, MisfirePolicy.All)))
        {
            await before.JumpAsync(hour);
        }

        clock.Advance(hour / 2);
        await using var next = await StartAsync(Every("tick", minute, MisfirePolicy.All));
        await next.JumpAsync(minute);

        Assert.Equal(["tick@20260301T133100Z"], next.Fired);
    }

    [Fact]
    public async Task A_job_on_its_way_when_the_leader_stops_may_arrive_and_is_not_fired_again()
    {
        var arrive = new TaskCompletionSource();
        await using var leader = await StartAsync(Every("tick", minute));
        leader.Dispatcher.Gate = _ => arrive.Task;
        clock.Advance(minute);
        await Until(() => leader.Dispatcher.Held == 1);

        var stopping = leader.StopAsync();
        Assert.False(stopping.IsCompleted);
        arrive.SetResult();
        await stopping;
        await using var next = await StartAsync(Every("tick", minute));

        Assert.Equal(["tick@20260301T120100Z"], leader.Fired);
        Assert.Empty(next.Fired);
    }

    [Fact]
    public async Task A_leader_that_is_deposed_in_the_middle_of_an_enqueue_leaves_its_occurrence_to_the_next()
    {
        var journal = (InMemoryJournal)transport.OpenJournal("beat");
        await using var leader = await StartAsync(Every("tick", minute));
        await using var standby = RunningBeat.StandBy(clock, transport, Every("tick", minute));
        await Until(() => journal.StandingBy == 1); // or the leader would be the first to lead again
        leader.Dispatcher.Hold = _ => true;
        clock.Advance(minute);
        await Until(() => leader.Dispatcher.Held == 1);

        await journal.DeposeAsync();
        await Until(() => standby.Fired.Count == 1);

        Assert.Equal(["tick@20260301T120100Z"], standby.Fired);
        Assert.Empty(leader.Fired);
        await Until(() => leader.Log.Count(307) == 1);
    }

    /// <summary>What has been cleaned up is not forgotten. Origin: GoodJob #731, #767.</summary>
    [Fact]
    public async Task A_journal_stays_short_however_often_schedules_fire_and_forgets_no_occurrence()
    {
        await using var beat = await StartAsync(Every("a", minute), Every("b", minute));

        await beat.RunAsync(5 * hour, minute);

        Assert.Equal(600, beat.Fired.Count);
        await using var journal = transport.OpenJournal("beat");
        await beat.StopAsync();
        await using (var reader = await journal.LeadAsync(TestContext.Current.CancellationToken))
        {
            Assert.InRange(reader.Backlog.Count, 1, 130);
        }

        await using var next = await StartAsync(Every("a", minute, MisfirePolicy.All), Every("b", minute, MisfirePolicy.All));
        await next.JumpAsync(minute);
        Assert.Equal(["a@20260301T170100Z", "b@20260301T170100Z"], next.Fired.Order());
    }

    Task<RunningBeat> StartAsync(params Schedule[] schedules) => RunningBeat.StartAsync(clock, transport, schedules);

    static async Task Until(Func<bool> condition)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begun) < TimeSpan.FromSeconds(20), "It did not come true.");
            await Task.Yield();
        }
    }

    static Schedule Every(string name, TimeSpan interval, MisfirePolicy misfire = MisfirePolicy.Once) =>
        new(name, Timing.Every(interval), new Job("news.refresh"), misfire);
}
