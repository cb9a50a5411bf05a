using System.Globalization;
using Jobs.Beat;
using Xunit;

namespace Jobs.Tests.Beat;

public sealed class TimingTests
{
    [Fact]
    public void A_cron_expression_of_five_fields_fires_on_the_minute()
    {
        var occurrences = Timing.Cron("*/15 * * * *", TimeZoneInfo.Utc);

        Assert.Equal(Utc("2026-03-01 10:15"), occurrences.Next(Utc("2026-03-01 10:00:01")));
        Assert.Equal(Utc("2026-03-01 10:30"), occurrences.Next(Utc("2026-03-01 10:15")));
    }

    [Fact]
    public void A_cron_expression_of_six_fields_begins_with_seconds()
    {
        var occurrences = Timing.Cron("*/20 0 12 * * *", TimeZoneInfo.Utc);

        Assert.Equal(["12:00:00", "12:00:20", "12:00:40"], Between(occurrences, "2026-03-01 00:00", "2026-03-02 00:00").Select(s => s.ToString("HH:mm:ss", CultureInfo.InvariantCulture)));
    }

    /// <summary>As in Celery; crontab means either. (Hangfire #979, quartznet #1543)</summary>
    [Fact]
    public void Day_of_month_and_day_of_week_must_both_fit() => Assert.Equal(
        ["2026-09-01", "2026-12-01", "2027-06-01"],
        Between(Timing.Cron("0 6 1 * 2", TimeZoneInfo.Utc), "2026-03-01 00:00", "2027-12-31 00:00").Select(s => s.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)));

    [Fact]
    public void A_occurrence_is_in_UTC_whatever_the_zone()
    {
        var occurrence = Timing.Cron("0 6 * * *", Zone("Asia/Kolkata")).Next(Utc("2026-03-01 00:00"));

        Assert.Equal(Utc("2026-03-01 00:30"), occurrence);
        Assert.Equal(TimeSpan.Zero, occurrence!.Value.Offset);
    }

    [Theory]
    [InlineData("* * * *")]
    [InlineData("61 * * * *")]
    [InlineData("every day")]
    [InlineData("")]
    [InlineData("* * * * * * *")]
    public void A_bad_cron_expression_is_refused_with_what_fits(string expression)
    {
        var e = Assert.Throws<ArgumentException>(() => Timing.Cron(expression, TimeZoneInfo.Utc));

        Assert.Contains($"'{expression}'", e.Message);
        Assert.Contains("five fields", e.Message);
    }

    [Fact]
    public void A_cron_expression_that_no_date_fits_is_refused() =>
        Assert.Contains("no date", Assert.Throws<ArgumentException>(() => Timing.Cron("0 0 30 2 *", TimeZoneInfo.Utc)).Message);

    [Fact]
    public void Interval_occurrences_are_whole_multiples_since_the_epoch()
    {
        var interval = TimeSpan.FromMinutes(7);
        var occurrences = Timing.Every(interval);

        foreach (var occurrence in Between(occurrences, "2026-01-01 00:03:13", "2026-01-03 00:00"))
        {
            Assert.Equal(0, (occurrence - DateTimeOffset.UnixEpoch).Ticks % interval.Ticks);
        }

        Assert.Equal(DateTimeOffset.UnixEpoch + interval, occurrences.Next(DateTimeOffset.UnixEpoch));
        Assert.Null(occurrences.Next(DateTimeOffset.MaxValue));
    }

    [Fact]
    public void An_interval_under_one_second_is_refused()
    {
        Timing.Every(TimeSpan.FromSeconds(1));

        Assert.Contains("00:00:00.9990000", Assert.Throws<ArgumentException>(() => Timing.Every(TimeSpan.FromMilliseconds(999))).Message);
        Assert.Throws<ArgumentException>(() => Timing.Every(TimeSpan.FromDays(-1)));
    }

    /// <summary>The zone, and the local night in which an hour (Lord Howe: half an hour) is left out. (Quartz 4's notes, Sidekiq #5049)</summary>
    [Theory]
    [InlineData("Europe/Berlin", "2026-03-29", "02:30", "03:00")]
    [InlineData("America/New_York", "2026-03-08", "02:30", "03:00")]
    [InlineData("Australia/Lord_Howe", "2026-10-04", "02:15", "02:30")]
    public void A_time_left_out_in_spring_fires_once_right_after_the_gap(string zone, string night, string skipped, string firesAt)
    {
        var at = TimeOnly.Parse(skipped, CultureInfo.InvariantCulture);
        var occurrences = Timing.Cron($"{at.Minute} {at.Hour} * * *", Zone(zone));

        Assert.Equal([$"{night} {firesAt}"], LocalTimesOf(occurrences, zone, night));
    }

    [Theory]
    [InlineData("Europe/Berlin", "2026-10-25", "02:30")]
    [InlineData("America/New_York", "2026-11-01", "01:30")]
    [InlineData("Australia/Lord_Howe", "2026-04-05", "01:45")]
    public void A_time_that_comes_twice_in_autumn_fires_once(string zone, string night, string twice)
    {
        var at = TimeOnly.Parse(twice, CultureInfo.InvariantCulture);
        var occurrences = Timing.Cron($"{at.Minute} {at.Hour} * * *", Zone(zone));

        Assert.Equal([$"{night} {twice}"], LocalTimesOf(occurrences, zone, night));
    }

    // Through both nights and all the days between: real time passes evenly, so the count is that of elapsed quarters.
    [Theory]
    [InlineData("Europe/Berlin")]
    [InlineData("America/New_York")]
    [InlineData("Australia/Lord_Howe")]
    [InlineData("Asia/Kolkata")]
    public void Every_quarter_of_a_year_fires_exactly_once_through_both_changes(string zone)
    {
        var occurrences = Between(Timing.Cron("*/15 * * * *", Zone(zone)), "2026-01-01 00:00", "2027-01-01 00:00");

        Assert.Equal(365 * 24 * 4, occurrences.Count);
        Assert.All(occurrences.Zip(occurrences.Skip(1)), pair => Assert.Equal(TimeSpan.FromMinutes(15), pair.Second - pair.First));
    }

    [Theory]
    [InlineData("Europe/Berlin")]
    [InlineData("America/New_York")]
    [InlineData("Australia/Lord_Howe")]
    [InlineData("Asia/Kolkata")]
    public void A_daily_job_fires_once_on_each_local_day_of_a_year(string zone)
    {
        // 02:00 exists everywhere but in Berlin's, New York's and Lord Howe's spring night, and comes twice in Berlin's autumn night.
        var occurrences = Between(Timing.Cron("0 2 * * *", Zone(zone)), "2026-01-01 00:00", "2027-01-01 00:00");
        var days = occurrences.Select(occurrence => TimeZoneInfo.ConvertTime(occurrence, Zone(zone)).Date).ToList();

        Assert.Equal(365, occurrences.Count);
        Assert.Equal(days, days.Distinct());
    }

    static IEnumerable<string> LocalTimesOf(Timing occurrences, string zone, string day) =>
        Between(occurrences, $"{day} 00:00", $"{day} 00:00", TimeSpan.FromDays(2))
            .Select(occurrence => TimeZoneInfo.ConvertTime(occurrence, Zone(zone)).ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture))
            .Where(local => local.StartsWith(day, StringComparison.Ordinal));

    static List<DateTimeOffset> Between(Timing occurrences, string from, string to, TimeSpan margin = default)
    {
        var found = new List<DateTimeOffset>();
        for (var occurrence = occurrences.Next(Utc(from) - margin); occurrence <= Utc(to) + margin; occurrence = occurrences.Next(occurrence.Value))
        {
            found.Add(occurrence.Value);
        }

        return found;
    }

    static TimeZoneInfo Zone(string id) => TimeZoneInfo.FindSystemTimeZoneById(id);

    static DateTimeOffset Utc(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
}
