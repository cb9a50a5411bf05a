using Jobs.Beat;
using Jobs.Contracts;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Beat;

/// <summary>Schedules that are changed while beats run.</summary>
public sealed class JobSchedulesTests : IAsyncLifetime
{
    static readonly DateTimeOffset noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    static readonly TimeSpan second = TimeSpan.FromSeconds(1);
    static readonly TimeSpan minute = TimeSpan.FromMinutes(1);

    readonly SleepCountingClock clock = new(noon);
    readonly InMemoryTransport transport;
    readonly JobSchedules schedules;
    RunningBeat beat = null!;

    public JobSchedulesTests()
    {
        transport = new(clock);
        schedules = Schedules();
    }

    public async ValueTask InitializeAsync()
    {
        beat = await RunningBeat.StartAsync(clock, transport, new Schedule("coded", Timing.Every(minute), new Job("news.refresh"), MisfirePolicy.All));
        await Wait.Until(async () => (await schedules.ListAsync(Cancellation)).Count == 1); // a beat records a moment later that it has begun with a schedule
    }

    public ValueTask DisposeAsync() => beat.DisposeAsync();

    /// <summary>Of a process with these schedules of code.</summary>
    JournaledSchedules Schedules(params Schedule[] ofCode) =>
        new(transport, new TaskRegistry([]), ofCode, Options.Create(new JobsOptions()), Options.Create(new BeatOptions()), clock);

    [Fact]
    public async Task All_schedules_are_listed_those_of_this_process_of_other_processes_and_of_run_time()
    {
        var here = Schedules(new Schedule("here", Timing.Cron("0 6 * * *", TimeZoneInfo.Utc), new Job("news.here"), MisfirePolicy.Skip));
        await beat.AfterAsync(() => schedules.SetAsync("live", 10 * second, new Job("news.live"), cancellationToken: Cancellation), loops: 2);
        await beat.AfterAsync(() => schedules.SetAsync("gone", 10 * second, new Job("news.gone"), cancellationToken: Cancellation), loops: 3);
        await schedules.RemoveAsync("gone", Cancellation);
        await beat.SettleAsync(2);
        await beat.JumpAsync(minute, 2);
        await schedules.PauseAsync("live", Cancellation);

        // A beat records what has fired after it has fired.
        var listed = await here.ListAsync(Cancellation);
        await Wait.Until(async () => (listed = await here.ListAsync(Cancellation)).Where(schedule => schedule.Name != "here").All(schedule => schedule.LastOccurrence == noon + minute));

        Assert.Equal(["coded", "here", "live"], listed.Select(schedule => schedule.Name));
        Assert.Equal(
            new ScheduleInfo
            {
                Name = "coded", TaskName = "news.refresh", Timing = "00:01:00", Words = "every minute", Every = minute, Queue = "jobs", Arguments = "[]",
                NamedArguments = "{}", MaskedArguments = "[]", MaskedNamedArguments = "{}", Misfire = MisfirePolicy.All, LastOccurrence = noon + minute,
                LastJobId = "coded@20260301T120100Z", NextOccurrence = noon + 2 * minute, Lateness = TimeSpan.Zero, Missed = 0,
            },
            listed[0]);
        Assert.Equal(
            new ScheduleInfo
            {
                Name = "here", TaskName = "news.here", Timing = "0 6 * * * UTC", Words = "every day at 06:00, UTC", Cron = "0 6 * * *", Queue = "jobs",
                Arguments = "[]", NamedArguments = "{}", MaskedArguments = "[]", MaskedNamedArguments = "{}", Misfire = MisfirePolicy.Skip, NextOccurrence = noon.AddHours(18),
            },
            listed[1]);
        Assert.Equal(
            new ScheduleInfo
            {
                Name = "live", TaskName = "news.live", Timing = "00:00:10", Words = "every 10 seconds", Every = 10 * second, Queue = "jobs",
                Arguments = "[]", NamedArguments = "{}", MaskedArguments = "[]", MaskedNamedArguments = "{}", Misfire = MisfirePolicy.Once,
                IsPaused = true, IsSetAtRunTime = true, LastOccurrence = noon + minute, LastJobId = "live@20260301T120100Z",
            },
            listed[2]);
        await schedules.ResumeAsync("live", Cancellation);
        Assert.Equal((false, noon + minute + 10 * second), (await here.ListAsync(Cancellation))[2] is var live ? (live.IsPaused, live.NextOccurrence) : default);
    }

    [Fact]
    public async Task A_schedule_is_late_by_the_time_since_an_occurrence_that_no_beat_has_fired()
    {
        var here = Schedules(new Schedule("coded", Timing.Every(minute), new Job("news.refresh"), MisfirePolicy.All));
        Assert.Equal(TimeSpan.Zero, Assert.Single(await here.ListAsync(Cancellation)).Lateness);

        await beat.DisposeAsync();
        clock.Advance(minute + 20 * second);

        Assert.Equal(20 * second, Assert.Single(await here.ListAsync(Cancellation)).Lateness);
        await schedules.PauseAsync("coded", Cancellation);
        Assert.Null(Assert.Single(await here.ListAsync(Cancellation)).Lateness);
    }

    [Fact]
    public async Task To_pause_a_name_that_nobody_knows_fails_with_the_nearest_ones_and_changes_nothing()
    {
        var pause = await Assert.ThrowsAsync<ArgumentException>(() => schedules.PauseAsync("codde", Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => schedules.ResumeAsync("codde", Cancellation));

        Assert.Contains("'codde'", pause.Message, StringComparison.Ordinal);
        Assert.Contains("'coded'", pause.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(await schedules.ListAsync(Cancellation), schedule => schedule.Name == "codde");
        await schedules.RemoveAsync("codde", Cancellation); // nothing to undo is no error
    }

    [Fact]
    public async Task A_schedule_of_another_process_is_known_still_after_its_changes_of_run_time_were_removed()
    {
        await beat.AfterAsync(() => schedules.PauseAsync("coded", Cancellation));
        await beat.AfterAsync(() => schedules.RemoveAsync("coded", Cancellation));

        await Wait.Until(async () => (await schedules.ListAsync(Cancellation)).Any(schedule => schedule is { Name: "coded", IsPaused: false, Timing: "00:01:00" }));
        await schedules.PauseAsync("coded", Cancellation);
        Assert.True(Assert.Single(await schedules.ListAsync(Cancellation)).IsPaused);
    }

    [Fact]
    public async Task A_process_pauses_a_schedule_of_its_own_before_any_beat_has_begun_with_it()
    {
        var tick = new Schedule("own", Timing.Every(minute), new Job("news.own"), MisfirePolicy.All);
        await beat.StopAsync();
        await Schedules(tick).PauseAsync("own", Cancellation);

        await using var next = await RunningBeat.StartAsync(clock, transport, tick);
        await next.JumpAsync(minute);
        Assert.Empty(next.Fired);
    }

    [Fact]
    public async Task A_test_can_stand_in_for_it()
    {
        JobSchedules stub = new NoSchedules();
        Assert.Empty(await stub.ListAsync(Cancellation));
    }

    sealed class NoSchedules : JobSchedules
    {
        public override Task<IReadOnlyList<ScheduleInfo>> ListAsync(CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<ScheduleInfo>>([]);

        public override Task<long> SetAsync(string name, string cron, Job job, TimeZoneInfo? timeZone = null, MisfirePolicy misfire = MisfirePolicy.Once, CancellationToken cancellationToken = default) => Task.FromResult(1L);

        public override Task<long> SetAsync(string name, TimeSpan every, Job job, MisfirePolicy misfire = MisfirePolicy.Once, CancellationToken cancellationToken = default) => Task.FromResult(1L);

        public override Task<long> RemoveAsync(string name, CancellationToken cancellationToken = default) => Task.FromResult(1L);

        public override Task<long> PauseAsync(string name, CancellationToken cancellationToken = default) => Task.FromResult(1L);

        public override Task<long> ResumeAsync(string name, CancellationToken cancellationToken = default) => Task.FromResult(1L);

        public override Task<string> RunNowAsync(string name, CancellationToken cancellationToken = default) => Task.FromResult("");
    }

    CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_schedule_set_at_run_time_cannot_keep_is_refused()
    {
        foreach (var job in (Job[])[new Job("a").OnSuccess(new Job("b")), new Job("a").OnFailure(new Job("b")), new Job("a") with { Result = true }])
        {
            var thrown = await Assert.ThrowsAsync<ArgumentException>(() => schedules.SetAsync("live", 10 * second, job, cancellationToken: Cancellation));
            Assert.Contains("let the task enqueue what follows", thrown.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<ArgumentException>(() => schedules.SetAsync("live", "* * * * *", job, cancellationToken: Cancellation));
        }
    }

    [Fact]
    public async Task A_schedule_set_at_run_time_fires_with_its_job_as_given()
    {
        var job = new Job("news.refresh", ["espn", 3], new Dictionary<string, object?> { ["deep"] = true })
        {
            Queue = "news",
            Priority = 7,
            Delay = second,
            Expires = minute,
            Headers = new Dictionary<string, object?> { ["who"] = "me", ["n"] = 5, ["x"] = 0.5, ["whole"] = 1.0, ["large"] = 1e300, ["yes"] = true },
        };
        await beat.AfterAsync(() => schedules.SetAsync("live", 10 * second, job, cancellationToken: Cancellation), loops: 2);

        await beat.RunAsync(20 * second, second, 2);

        var fired = beat.Dispatcher.Enqueued.ToArray();
        Assert.Equal(["live@20260301T120010Z", "live@20260301T120020Z"], fired.Select(j => j.Id));
        Assert.Equal(("news.refresh", "news", (byte?)7, (TimeSpan?)second, (TimeSpan?)minute), (fired[0].TaskName, fired[0].Queue, fired[0].Priority, fired[0].Delay, fired[0].Expires));
        Assert.Equal(job.Headers, fired[0].Headers!.ToDictionary());
        Assert.Equal(
            System.Text.Encoding.UTF8.GetString(Jobs.Wire.JobBody.Write(job.TaskName, job.Arguments, new JobsOptions().Types)),
            System.Text.Encoding.UTF8.GetString(Jobs.Wire.JobBody.Write(fired[0].TaskName, fired[0].Arguments, new JobsOptions().Types)));
    }

    [Fact]
    public async Task A_change_takes_the_place_of_what_was_and_owes_nothing_of_it()
    {
        await beat.AfterAsync(() => schedules.SetAsync("live", "*/10 * * * * *", new Job("a"), cancellationToken: Cancellation), loops: 2);
        await beat.JumpAsync(15 * second, 2);
        await beat.AfterAsync(() => schedules.SetAsync("live", "*/4 * * * * *", new Job("b"), misfire: MisfirePolicy.All, cancellationToken: Cancellation), loops: 2);
        await beat.JumpAsync(5 * second, 2);

        Assert.Equal([("live@20260301T120010Z", "a"), ("live@20260301T120016Z", "b"), ("live@20260301T120020Z", "b")], beat.Dispatcher.Enqueued.Select(j => (j.Id!, j.TaskName)));
    }

    [Fact]
    public async Task A_schedule_of_code_can_be_changed_and_comes_back_when_the_change_is_removed()
    {
        await beat.AfterAsync(() => schedules.SetAsync("coded", 20 * second, new Job("other"), cancellationToken: Cancellation));
        await beat.RunAsync(minute, second);
        await beat.AfterAsync(() => schedules.RemoveAsync("coded", Cancellation));
        await beat.RunAsync(minute, second);

        Assert.Equal(
            [("coded@20260301T120020Z", "other"), ("coded@20260301T120040Z", "other"), ("coded@20260301T120100Z", "other"), ("coded@20260301T120200Z", "news.refresh")],
            beat.Dispatcher.Enqueued.Select(j => (j.Id!, j.TaskName)));
    }

    [Fact]
    public async Task A_removed_schedule_fires_no_more_also_not_under_the_next_leader()
    {
        await beat.AfterAsync(() => schedules.SetAsync("live", 10 * second, new Job("a"), cancellationToken: Cancellation), loops: 2);
        await schedules.RemoveAsync("live", Cancellation);
        await beat.SettleAsync(1);
        await beat.RunAsync(30 * second, second);
        Assert.Empty(beat.Fired);

        await beat.StopAsync();
        await using var next = await RunningBeat.StartAsync(clock, transport);
        Assert.Equal(0, clock.Sleeping);
    }

    [Fact]
    public async Task A_schedule_that_was_removed_and_is_set_again_owes_nothing_of_the_time_between()
    {
        await beat.AfterAsync(() => schedules.SetAsync("live", 10 * second, new Job("a"), misfire: MisfirePolicy.All, cancellationToken: Cancellation), loops: 2);
        await beat.JumpAsync(10 * second, 2);
        await schedules.RemoveAsync("live", Cancellation);
        await beat.SettleAsync(1);
        await beat.JumpAsync(20 * second);
        await beat.AfterAsync(() => schedules.SetAsync("live", 10 * second, new Job("a"), misfire: MisfirePolicy.All, cancellationToken: Cancellation), loops: 2);
        await beat.JumpAsync(10 * second, 2);

        Assert.Equal(["live@20260301T120010Z", "live@20260301T120040Z"], beat.Fired);
    }

    [Fact]
    public async Task A_schedule_that_was_removed_and_set_again_while_no_beat_ran_owes_nothing_of_the_time_between()
    {
        Task SetAsync() => schedules.SetAsync("live", 10 * second, new Job("a"), misfire: MisfirePolicy.All, cancellationToken: Cancellation);
        await beat.AfterAsync(SetAsync, loops: 2);
        await beat.JumpAsync(10 * second, 2);
        await beat.StopAsync();

        await schedules.RemoveAsync("live", Cancellation);
        clock.Advance(20 * second);
        await SetAsync();
        clock.Advance(10 * second);
        await using var next = RunningBeat.StandBy(clock, transport);
        await next.UntilAsync(() => clock.Sleeping == 1, "the next beat to sleep");

        Assert.Equal(["live@20260301T120010Z"], beat.Fired);
        Assert.Equal(["live@20260301T120040Z"], next.Fired);
    }

    [Fact]
    public async Task A_record_that_cannot_be_read_is_kept_for_a_version_that_can()
    {
        await using var journal = transport.OpenJournal("beat");
        await journal.AppendAsync("of tomorrow"u8.ToArray(), minute, Cancellation);
        await beat.RunAsync(TimeSpan.FromHours(3), minute); // often compacted since
        await beat.StopAsync();

        await using var reader = await journal.LeadAsync(Cancellation);
        Assert.Contains(reader.Backlog, record => record.Bytes.Span.SequenceEqual("of tomorrow"u8));
    }

    [Fact]
    public async Task The_occurrences_of_a_paused_schedule_pass_and_are_not_made_up_for()
    {
        await beat.AfterAsync(() => schedules.PauseAsync("coded", Cancellation));
        await beat.RunAsync(3 * minute, minute);
        Assert.Empty(beat.Fired);
        await beat.AfterAsync(() => schedules.ResumeAsync("coded", Cancellation));
        await beat.RunAsync(minute, second);

        Assert.Equal(["coded@20260301T120400Z"], beat.Fired);
    }

    [Fact]
    public async Task Schedules_set_at_run_time_and_pauses_survive_all_beats()
    {
        await beat.AfterAsync(() => schedules.SetAsync("live", 10 * second, new Job("a"), misfire: MisfirePolicy.All, cancellationToken: Cancellation), loops: 2);
        await beat.AfterAsync(() => schedules.PauseAsync("coded", Cancellation), loops: 2);
        await beat.DisposeAsync();

        clock.Advance(25 * second);
        await using var next = RunningBeat.StandBy(clock, transport, new Schedule("coded", Timing.Every(minute), new Job("news.refresh"), MisfirePolicy.All));
        await next.SettleAsync(2);
        await next.RunAsync(minute, second, 2);

        Assert.Equal(8, next.Fired.Count);
        Assert.Equal("live@20260301T120010Z", next.Fired[0]);
        Assert.All(next.Fired, id => Assert.StartsWith("live@", id));
    }

    [Fact]
    public async Task The_later_of_two_changes_wins_in_whatever_order_they_arrive()
    {
        await using var journal = transport.OpenJournal("beat");
        var later = Change(2, 10 * second);
        var earlier = Change(1, second);
        await beat.AfterAsync(() => journal.AppendAsync(later, minute, Cancellation).AsTask(), loops: 2);
        await journal.AppendAsync(earlier, minute, Cancellation);

        await beat.RunAsync(20 * second, second, 2);

        Assert.Equal(["live@20260301T120010Z", "live@20260301T120020Z"], beat.Fired);

        byte[] Change(long version, TimeSpan every) => new BeatRecord
        {
            Set = new() { ["live"] = new(noon.UtcTicks + version, StoredSchedule.Of(new("a"), new(new TaskRegistry([]), new(), new MissingTransport())) with { Every = every }) },
        }.Write();
    }

    [Fact]
    public async Task Versions_grow_even_when_the_clock_stands_still()
    {
        var one = await schedules.PauseAsync("coded", Cancellation);
        var two = await schedules.ResumeAsync("coded", Cancellation);
        Assert.True(two > one);
    }

    [Fact]
    public async Task What_is_wrong_with_a_change_is_said_at_once_and_changes_nothing()
    {
        await Refused<ArgumentException>("not a cron expression", () => schedules.SetAsync("live", "often", new Job("a"), cancellationToken: Cancellation));
        await Refused<ArgumentException>("a time zone of this program", () => schedules.SetAsync(
            "live", "* * * * *", new Job("a"), TimeZoneInfo.CreateCustomTimeZone("Mine", TimeSpan.FromHours(1), null, null), cancellationToken: Cancellation));
        await Refused<ArgumentException>("too short an interval", () => schedules.SetAsync("live", TimeSpan.Zero, new Job("a"), cancellationToken: Cancellation));
        await Refused<ArgumentException>("not a name for a schedule", () => schedules.SetAsync("live one", second, new Job("a"), cancellationToken: Cancellation));
        await Refused<ArgumentException>("the Id 'x'", () => schedules.SetAsync("live", second, new Job("a") { Id = "x" }, cancellationToken: Cancellation));
        await Refused<ArgumentException>("the queue ''", () => schedules.SetAsync("live", second, new Job("a") { Queue = "" }, cancellationToken: Cancellation));
        await Refused<ArgumentException>("has a Delay of", () => schedules.SetAsync("live", second, new Job("a") { Delay = -second }, cancellationToken: Cancellation));
        await Refused<ArgumentException>("the Eta 2026", () => schedules.SetAsync("live", second, new Job("a") { Eta = noon }, cancellationToken: Cancellation));
        await Refused<ArgumentException>("header 'x' with the value NaN", () => schedules.SetAsync("live", second, new Job("a") { Headers = new Dictionary<string, object?> { ["x"] = double.NaN } }, cancellationToken: Cancellation));
        await Refused<ArgumentException>("cannot be written", () => schedules.SetAsync("live", second, new Job("a", [typeof(int)]), cancellationToken: Cancellation));
        await Refused<ArgumentException>("expires after", () => schedules.SetAsync("live", second, new Job("a") { Expires = TimeSpan.Zero }, cancellationToken: Cancellation));
        await Refused<ArgumentException>("not a name for a schedule", () => schedules.PauseAsync("", Cancellation));
        await beat.RunAsync(5 * second, second);
        Assert.Empty(beat.Fired);

        static async Task Refused<T>(string text, Func<Task> change)
            where T : Exception => Assert.Contains(text, (await Assert.ThrowsAsync<T>(change)).Message);
    }

    [Fact]
    public async Task Trash_in_the_journal_is_said_and_stops_nothing()
    {
        await using var journal = transport.OpenJournal("beat");
        await journal.AppendAsync("not a record"u8.ToArray(), minute, Cancellation);
        await beat.RunAsync(2 * minute, second);

        Assert.Equal(2, beat.Fired.Count);
        await beat.UntilAsync(() => beat.Log.Count(310) == 1, "the trash to be mentioned");
    }
}
