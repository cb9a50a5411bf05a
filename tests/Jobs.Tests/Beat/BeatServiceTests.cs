using System.Globalization;
using Jobs.Beat;
using Jobs.Transport;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Jobs.Tests.Beat;

public sealed class BeatServiceTests
{
    static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task A_nightly_job_in_Kolkata_fires_at_its_local_hour()
    {
        await using var beat = await RunningBeat.StartAsync(Noon, Cron("nightly", "30 3 * * *", "Asia/Kolkata"));

        await beat.RunAsync(TimeSpan.FromDays(2), Minute);

        Assert.Equal(["nightly@20260301T220000Z", "nightly@20260302T220000Z"], beat.Fired);
    }

    [Fact]
    public async Task The_first_occurrence_is_strictly_after_the_start()
    {
        await using var beat = await RunningBeat.StartAsync(Noon, Every("tick", Minute));
        Assert.Empty(beat.Fired);

        await beat.JumpAsync(Minute - TimeSpan.FromMilliseconds(1));
        Assert.Empty(beat.Fired);

        await beat.JumpAsync(TimeSpan.FromMilliseconds(1));
        Assert.Equal(["tick@20260301T120100Z"], beat.Fired);
    }

    [Fact]
    public async Task A_year_of_schedules_fires_every_occurrence_once_through_all_changes_of_daylight_saving()
    {
        var start = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        await using var beat = await RunningBeat.StartAsync(
            start,
            Cron("berlin", "30 2 * * *", "Europe/Berlin"),
            Cron("new-york", "*/15 * * * *", "America/New_York"),
            Cron("lord-howe", "15 2 * * *", "Australia/Lord_Howe"),
            Every("hourly", Hour));

        await beat.RunAsync(TimeSpan.FromDays(365), TimeSpan.FromMinutes(15));

        var fired = beat.Fired.ToLookup(id => id.Split('@')[0], id => id.Split('@')[1]);
        Assert.Equal(365, fired["berlin"].Count());
        Assert.Equal(365, fired["lord-howe"].Count());
        Assert.Equal(Enumerable.Range(1, 365 * 96).Select(i => Stamp(start + i * TimeSpan.FromMinutes(15))), fired["new-york"]);
        Assert.Equal(Enumerable.Range(1, 365 * 24).Select(i => Stamp(start + i * Hour)), fired["hourly"]);

        // Berlin: UTC+1 until 29 March 01:00Z, UTC+2 until 25 October 01:00Z. 02:30 does not exist on the first night and comes twice on the second.
        Assert.Equal(["20260328T013000Z", "20260329T010000Z", "20260330T003000Z"], ThreeFrom("20260328", fired["berlin"]));
        Assert.Equal(["20261024T003000Z", "20261025T003000Z", "20261026T013000Z"], ThreeFrom("20261024", fired["berlin"]));
        // Lord Howe: UTC+11 until 4 April 15:00Z, UTC+10:30 until 3 October 15:30Z; the gap is 02:00 to 02:30.
        Assert.Equal(["20261002T154500Z", "20261003T153000Z", "20261004T151500Z"], ThreeFrom("20261002", fired["lord-howe"]));
    }

    [Fact]
    public async Task Two_beats_make_the_same_jobs_and_no_two_occurrences_share_an_id()
    {
        Schedule[] schedules = [Cron("c", "*/10 * * * * *"), Every("e", TimeSpan.FromSeconds(1.5))];
        await using var one = await RunningBeat.StartAsync(Noon, schedules);
        await using var other = await RunningBeat.StartAsync(Noon, schedules);

        await one.RunAsync(Hour, TimeSpan.FromMilliseconds(500));
        await other.RunAsync(Hour, 7 * Second);
        await other.RunAsync(other.Clock.GetUtcNow() - one.Clock.GetUtcNow(), Second);

        Assert.Equal(360 + 2400, one.Fired.Count);
        Assert.Equal(one.Fired.Count, one.Fired.Distinct().Count());
        Assert.Superset(one.Fired.ToHashSet(), other.Fired.ToHashSet());
    }

    [Fact]
    public async Task A_late_wake_up_does_not_shift_later_occurrences()
    {
        await using var beat = await RunningBeat.StartAsync(Noon, Every("tick", Minute));

        await beat.JumpAsync(Minute + 40 * Second);
        await beat.JumpAsync(20 * Second);

        Assert.Equal(["tick@20260301T120100Z", "tick@20260301T120200Z"], beat.Fired);
    }

    [Fact]
    public async Task A_clock_set_forward_is_noticed_within_a_minute()
    {
        await using var beat = await RunningBeat.StartAsync(Noon, Cron("yearly", "0 0 1 1 *"));

        // Timers do not notice that: only the sleep that ends shows the new time.
        beat.Clock.AdjustTime(new(2026, 12, 31, 23, 59, 30, TimeSpan.Zero));
        await beat.JumpAsync(29 * Second);
        Assert.Empty(beat.Fired);
        await beat.JumpAsync(31 * Second);

        Assert.Equal(["yearly@20270101T000000Z"], beat.Fired);
    }

    // Down from 12:00 to 15:00:30: 13:00 and 14:00 are missed, 15:00 is only late.
    [Theory]
    [InlineData(MisfirePolicy.Skip, "15")]
    [InlineData(MisfirePolicy.Once, "14 15")]
    [InlineData(MisfirePolicy.All, "13 14 15")]
    public async Task Missed_occurrences_follow_the_policy_and_a_late_one_always_fires(MisfirePolicy policy, string hours)
    {
        await using var beat = await RunningBeat.StartAsync(Noon, Every("tick", Hour, policy));

        await beat.JumpAsync(3 * Hour + 30 * Second);

        Assert.Equal(hours.Split(' ').Select(h => $"tick@20260301T{h}0000Z"), beat.Fired);
        Assert.Equal(policy == MisfirePolicy.All ? 0 : 1, beat.Log.Count(302));
    }

    [Fact]
    public async Task All_fires_the_latest_up_to_the_cap_oldest_first()
    {
        await using var beat = await RunningBeat.StartAsync(Noon, new RecordingDispatcher(), new() { MisfireCap = 3 }, Every("tick", Hour, MisfirePolicy.All));

        await beat.JumpAsync(9 * Hour + 10 * Minute);

        Assert.Equal(["tick@20260301T190000Z", "tick@20260301T200000Z", "tick@20260301T210000Z"], beat.Fired);
        Assert.Contains("missed 6 occurrences up to 2026-03-01 18:00:00Z", Assert.Single(beat.Log.Lines, line => line.Id == 302).Text);
    }

    [Fact]
    public async Task A_occurrence_exactly_as_late_as_the_threshold_is_not_missed()
    {
        await using var beat = await RunningBeat.StartAsync(Noon, Every("a", Hour, MisfirePolicy.Skip), Every("b", Hour, MisfirePolicy.Skip));

        await beat.JumpAsync(Hour + Minute);
        Assert.Equal(2, beat.Fired.Count);

        await beat.JumpAsync(Hour + TimeSpan.FromMilliseconds(1));
        Assert.Equal(2, beat.Fired.Count);
    }

    [Fact]
    public async Task Ten_minutes_without_a_broker_lose_no_occurrence()
    {
        var dispatcher = new RecordingDispatcher { Fail = job => new JobPublishException(job.Id!, maybeEnqueued: true, isTransient: true, "The broker is gone.") };
        await using var beat = await RunningBeat.StartAsync(Noon, dispatcher, new(), Every("tick", Minute, MisfirePolicy.All));

        await beat.RunAsync(10 * Minute, Second);
        var attempts = dispatcher.Attempts.Select(job => job.Id!).ToList();
        dispatcher.Fail = _ => null;
        await beat.RunAsync(2 * Minute, Second);

        Assert.All(attempts, id => Assert.Equal("tick@20260301T120100Z", id));
        Assert.InRange(attempts.Count, 9 * 60 / 15, 9 * 60 / 7 + 8);
        Assert.Equal(Enumerable.Range(1, 12).Select(i => $"tick@20260301T12{i:00}00Z"), beat.Fired);
        Assert.Equal((1, 1), (beat.Log.Count(304), beat.Log.Count(305)));
        Assert.Equal(LogLevel.Warning, beat.Log.Lines.Single(line => line.Id == 304).Level);
    }

    [Fact]
    public async Task What_waits_out_an_outage_is_judged_by_its_misfire_policy()
    {
        var dispatcher = new RecordingDispatcher { Fail = job => new JobPublishException(job.Id!, maybeEnqueued: false, isTransient: false, "Wrong password.") };
        await using var beat = await RunningBeat.StartAsync(Noon, dispatcher, new(), Every("once", 5 * Minute), Every("skip", 5 * Minute, MisfirePolicy.Skip));

        await beat.RunAsync(18 * Minute, Second);
        dispatcher.Fail = _ => null;
        await beat.RunAsync(3 * Minute, Second);

        Assert.Equal(["once@20260301T121500Z", "once@20260301T122000Z", "skip@20260301T122000Z"], beat.Fired.Order());
        Assert.All(beat.Log.Lines.Where(line => line.Id == 304), line => Assert.Equal(LogLevel.Error, line.Level));
    }

    [Fact]
    public async Task A_job_that_can_never_be_enqueued_costs_its_occurrence_only()
    {
        var dispatcher = new RecordingDispatcher { Fail = job => job.Id!.Contains("T1201") ? new ArgumentException("Not a header.") : null };
        await using var beat = await RunningBeat.StartAsync(Noon, dispatcher, new(), Every("tick", Minute, MisfirePolicy.All));

        await beat.RunAsync(3 * Minute, Second);

        Assert.Equal(["tick@20260301T120200Z", "tick@20260301T120300Z"], beat.Fired);
        Assert.Equal(3, dispatcher.Attempts.Count);
        Assert.Equal(1, beat.Log.Count(303));
    }

    [Fact]
    public async Task A_schedule_that_hangs_or_fails_holds_up_no_other()
    {
        var dispatcher = new RecordingDispatcher
        {
            Hold = job => job.Id!.StartsWith("hangs", StringComparison.Ordinal),
            Fail = job => job.Id!.StartsWith("fails", StringComparison.Ordinal) ? new InvalidOperationException("boom") : null,
        };
        await using var beat = await RunningBeat.StartAsync(Noon, dispatcher, new(), Every("hangs", Minute), Every("fails", Minute), Every("fine", Minute));

        await beat.RunAsync(5 * Minute, Second);

        Assert.Equal(Enumerable.Range(1, 5).Select(i => $"fine@20260301T120{i}00Z"), beat.Fired);
    }

    [Fact]
    public async Task Stop_ends_sleeping_and_hanging_schedules_and_fires_nothing_more()
    {
        var dispatcher = new RecordingDispatcher { Hold = job => job.Id!.StartsWith("hangs", StringComparison.Ordinal) };
        await using var beat = await RunningBeat.StartAsync(Noon, dispatcher, new(), Every("hangs", Minute), Every("sleeps", Hour));
        await beat.JumpAsync(Minute);
        Assert.Equal(1, dispatcher.Held);

        var stopping = beat.StopAsync();
        await beat.SettleAsync(2); // what hangs gets five seconds
        beat.Clock.Advance(5 * Second);
        await stopping;

        Assert.Equal(0, beat.Clock.Sleeping);
        beat.Clock.Advance(2 * Hour);
        Assert.Empty(beat.Fired);
        Assert.DoesNotContain(beat.Log.Lines, line => line.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task A_scheduled_job_keeps_its_options()
    {
        var job = new Job<int>("news.refresh") { Queue = "news", Priority = 7 };
        await using var beat = await RunningBeat.StartAsync(Noon, new Schedule("tick", Timing.Every(Minute), job, MisfirePolicy.Once));

        await beat.JumpAsync(Minute);

        Assert.Equal(job with { Id = "tick@20260301T120100Z", Schedule = "tick" }, Assert.Single(beat.Dispatcher.Enqueued));
    }

    /// <summary>celery #3685, #6742</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(24 * 3650)]
    public async Task A_clock_that_is_set_back_is_said_once_and_the_schedule_goes_on(int hours)
    {
        await using var beat = await RunningBeat.StartAsync(Noon, Every("tick", 5 * Second));
        await beat.RunAsync(15 * Second, 5 * Second);
        Assert.Equal(3, beat.Fired.Count);

        var back = beat.Clock.GetUtcNow() - hours * Hour;
        beat.Clock.AdjustTime(back);
        await beat.RunAsync(20 * Second, 5 * Second);

        Assert.Equal([Stamp(back + 10 * Second), Stamp(back + 15 * Second), Stamp(back + 20 * Second)], beat.Fired.Skip(3).Select(id => id["tick@".Length..]));
        Assert.Single(beat.Log.Lines, l => l.Id == 314);
    }

    [Fact]
    public async Task A_beat_that_begins_after_the_clock_was_set_back_knows_up_to_where_occurrences_have_fired_since()
    {
        var (clock, tick) = (new SleepCountingClock(Noon), new Schedule("tick", Timing.Every(Minute), new Job("news.refresh"), MisfirePolicy.All));
        var transport = new InMemoryTransport(clock);
        await using (var first = await RunningBeat.StartAsync(clock, transport, tick))
        {
            await first.RunAsync(3 * Minute, Minute);
            clock.AdjustTime(Noon - 2 * Hour);
            await first.RunAsync(2 * Minute, Minute);
            await first.StopAsync();
        }

        clock.Advance(3 * Minute);
        await using var second = await RunningBeat.StartAsync(clock, transport, tick);

        Assert.Equal([Stamp(Noon - 2 * Hour + 3 * Minute), Stamp(Noon - 2 * Hour + 4 * Minute), Stamp(Noon - 2 * Hour + 5 * Minute)], second.Fired.Select(id => id["tick@".Length..]));
        Assert.DoesNotContain(second.Log.Lines, l => l.Id == 314);
    }

    [Fact]
    public async Task A_clock_that_is_set_right_by_seconds_fires_no_occurrence_twice_and_nothing_is_said()
    {
        await using var beat = await RunningBeat.StartAsync(Noon, Every("tick", 5 * Second));
        await beat.RunAsync(15 * Second, 5 * Second);
        beat.Clock.AdjustTime(beat.Clock.GetUtcNow() - 12 * Second);
        await beat.RunAsync(20 * Second, 5 * Second);

        Assert.Equal(beat.Fired.Distinct(), beat.Fired);
        Assert.DoesNotContain(beat.Log.Lines, l => l.Id == 314);
    }

    /// <summary>celery #3685, #6742: 1.7 thousand million seconds, one by one.</summary>
    [Theory]
    [InlineData(MisfirePolicy.Once, 1)]
    [InlineData(MisfirePolicy.Skip, 0)]
    [InlineData(MisfirePolicy.All, 100)]
    public void A_clock_that_jumps_over_decades_costs_no_walk_through_them(MisfirePolicy policy, int fires)
    {
        var occurrences = new CountedTiming();
        var schedule = new Schedule("tick", occurrences, new Job("news.refresh"), policy);
        var (after, now) = (DateTimeOffset.UnixEpoch, Noon);
        var fired = new List<DateTimeOffset>();
        while (schedule.Due(after, now, Minute, 100) is { } due)
        {
            after = due.After;
            if (due.Occurrence is not { } occurrence || now - occurrence <= Minute)
            {
                break;
            }

            fired.Add(occurrence);
            after = occurrence;
        }

        Assert.Equal(Enumerable.Range(1, fires).Select(i => now - Minute - i * Second).Reverse(), fired);
        Assert.True(occurrences.Asked < 100_000, $"{occurrences.Asked} occurrences were asked for");
    }

    sealed class CountedTiming : Timing
    {
        readonly Timing seconds = Every(Second);

        public int Asked { get; private set; }

        public override string Key => seconds.Key;

        public override DateTimeOffset? Next(DateTimeOffset after)
        {
            Asked++;
            return seconds.Next(after);
        }
    }

    static Schedule Every(string name, TimeSpan interval, MisfirePolicy misfire = MisfirePolicy.Once) =>
        new(name, Timing.Every(interval), new Job("news.refresh"), misfire);

    static Schedule Cron(string name, string expression, string zone = "UTC") =>
        new(name, Timing.Cron(expression, TimeZoneInfo.FindSystemTimeZoneById(zone)), new Job("news.refresh"), MisfirePolicy.Once);

    static IEnumerable<string> ThreeFrom(string day, IEnumerable<string> stamps) => stamps.Where(stamp => string.CompareOrdinal(stamp, day) > 0).Take(3);

    static string Stamp(DateTimeOffset occurrence) => occurrence.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
}
