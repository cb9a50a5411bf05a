using Jobs.Beat;
using Jobs.Contracts;
using Jobs.Registry;
using Jobs.Tests.Working;
using Jobs.Transport;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Beat;

/// <summary>What a list of schedules tells, so that somebody can change one.</summary>
public sealed class ScheduleInfoTests
{
    static readonly DateTimeOffset noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    static readonly TimeSpan minute = TimeSpan.FromMinutes(1);

    readonly SleepCountingClock clock = new(noon);
    readonly InMemoryTransport transport;

    public ScheduleInfoTests() => transport = new(clock);

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_beats_answer_tells_all_of_a_schedule_that_only_its_program_has()
    {
        var london = TimeZoneInfo.FindSystemTimeZoneById("Europe/London");
        var job = new Job("news.refresh", [1, "espn"], new Dictionary<string, object?> { ["deep"] = true }) with { Queue = "news" };
        await using var beat = await RunningBeat.StartAsync(
            clock, transport, new Schedule("cron", Timing.Cron("0 6 * * *", london), job, MisfirePolicy.Skip), Tick);

        var listed = await Schedules().ListAsync(Cancellation);

        Assert.Equal(["cron", "tick"], listed.Select(schedule => schedule.Name));
        Assert.Equal(
            ("news.refresh", "0 6 * * *", "Europe/London", null, "news", """[1,"espn"]""", """{"deep":true}""", MisfirePolicy.Skip), Shown(listed[0]));
        Assert.Equal(("news.refresh", null, null, minute, "jobs", "[]", "{}", MisfirePolicy.All), Shown(listed[1]));
    }

    [Fact]
    public async Task A_schedule_set_at_run_time_and_one_of_the_own_program_are_told_without_a_beat()
    {
        var own = new Schedule("own", Timing.Cron("* * * * *", TimeZoneInfo.Utc), new Job("news.own"), MisfirePolicy.Once);
        var schedules = Schedules(own);
        await schedules.SetAsync("live", minute, Job.FromJson("news.live", "[1.10]"), cancellationToken: Cancellation);

        var listed = await schedules.ListAsync(Cancellation);

        Assert.Equal(("news.live", null, null, minute, "jobs", "[1.10]", "{}", MisfirePolicy.Once), Shown(listed[0]));
        Assert.Equal(("news.own", "* * * * *", null, null, "jobs", "[]", "{}", MisfirePolicy.Once), Shown(listed[1]));
        Assert.All(listed, schedule => Assert.Equal((null, null), (schedule.Missed, schedule.LastJobId))); // no beat has begun with them
    }

    [Theory]
    [InlineData("[]", "{}", "[]", "{}")]
    [InlineData("""["ann",4711,"x",{"password":1,"a":[{"token":[2]}]}]""", "{}", """["ann","***","***",{"password":"***","a":[{"token":"***"}]}]""", "{}")]
    [InlineData("[]", """{"user":"ann","user_pin":4711,"apiKey":null,"note":"1.10","n":1.10}""",
        "[]", """{"user":"ann","user_pin":"***","apiKey":"***","note":"1.10","n":1.10}""")]
    [InlineData("""["ann",["b",4711]]""", """{"deep":{"userPin":4711}}""", """["ann","***"]""", """{"deep":{"userPin":4711}}""")] // a parameter's name counts on the first level
    public async Task The_masked_arguments_hide_what_viewers_must_not_see(string args, string named, string maskedArgs, string maskedNamed)
    {
        var login = new TestTask("login", (_, _) => Task.CompletedTask)
        {
            Parameters = [new("user", "string", false, false), new("userPin", "int", true, false), new("apiKey", "string?", false, true)],
        };
        var schedules = Schedules(new TaskRegistry([login]));
        await schedules.SetAsync("live", minute, Job.FromJson("login", args, named), cancellationToken: Cancellation);

        var live = Assert.Single(await schedules.ListAsync(Cancellation));

        Assert.Equal((args, named), (live.Arguments, live.NamedArguments));
        Assert.Equal((maskedArgs, maskedNamed), (live.MaskedArguments, live.MaskedNamedArguments));
    }

    [Fact]
    public async Task An_answer_of_an_older_version_tells_what_it_can()
    {
        await using var journal = transport.OpenJournal("beat");
        await using var reader = await journal.LeadAsync(Cancellation);
        var asking = Schedules().ListAsync(Cancellation);
        var question = await reader.NextAsync(Cancellation);
        await question.AnswerAsync!("""[{"occurrences":{"tick":{"occurrence":"2026-03-01T11:57:30+00:00","timingKey":"00:01:00"}}}]"""u8.ToArray());

        var tick = Assert.Single(await asking);

        Assert.Equal((null, null, null, minute, null, null, null, null), Shown(tick));
        Assert.Equal((3, null), (tick.Missed, tick.LastJobId));
    }

    [Fact]
    public async Task Occurrences_that_are_due_and_have_not_fired_are_counted_up_to_a_thousand()
    {
        var schedules = Schedules(Tick);
        await using (var beat = await RunningBeat.StartAsync(clock, transport, Tick))
        {
            await Wait.Until(async () => await MissedAsync() == 0);
        }

        foreach (var (minutes, missed) in new[] { (0.5, 0), (0.5, 1), (2, 3), (996, 999), (1, 1_000), (5_000, 1_000) })
        {
            clock.Advance(minutes * minute);
            Assert.Equal(missed, await MissedAsync());
        }

        await schedules.PauseAsync("tick", Cancellation);
        Assert.Null(await MissedAsync());

        async Task<int?> MissedAsync() => Assert.Single(await schedules.ListAsync(Cancellation)).Missed;
    }

    [Fact]
    public async Task The_job_of_the_last_occurrence_is_the_last_that_was_enqueued_also_after_a_pause_and_the_next_beat()
    {
        var schedules = Schedules(Tick);
        await using (var beat = await RunningBeat.StartAsync(clock, transport, Tick))
        {
            Assert.Null(await LastJobAsync());
            await beat.JumpAsync(minute);
            Assert.Equal("tick@20260301T120100Z", await LastJobAsync());

            await beat.AfterAsync(() => schedules.PauseAsync("tick", Cancellation));
            await beat.JumpAsync(minute);
            beat.Dispatcher.Fail = _ => new ArgumentException("It is refused.");
            await beat.AfterAsync(() => schedules.ResumeAsync("tick", Cancellation));
            await beat.JumpAsync(minute);
            Assert.Equal(noon + 3 * minute, Assert.Single(await schedules.ListAsync(Cancellation)).LastOccurrence);
            Assert.Equal("tick@20260301T120100Z", await LastJobAsync());
        }

        Assert.Equal("tick@20260301T120100Z", await LastJobAsync());
        await using var next = await RunningBeat.StartAsync(clock, transport, Tick);
        Assert.Equal("tick@20260301T120100Z", await LastJobAsync());

        async Task<string?> LastJobAsync() => Assert.Single(await schedules.ListAsync(Cancellation)).LastJobId;
    }

    static Schedule Tick => new("tick", Timing.Every(minute), new Job("news.refresh"), MisfirePolicy.All);

    static (string?, string?, string?, TimeSpan?, string?, string?, string?, MisfirePolicy?) Shown(ScheduleInfo info) =>
        (info.TaskName, info.Cron, info.TimeZone, info.Every, info.Queue, info.Arguments, info.NamedArguments, info.Misfire);

    JournaledSchedules Schedules(params Schedule[] ofCode) => Schedules(new TaskRegistry([]), ofCode);

    JournaledSchedules Schedules(TaskRegistry tasks, params Schedule[] ofCode) =>
        new(transport, tasks, ofCode, Options.Create(new JobsOptions()), Options.Create(new BeatOptions()), clock);
}
