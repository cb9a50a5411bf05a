using Jobs.Beat;
using Jobs.Contracts;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Beat;

/// <summary>Schedules that somebody asks to run now, while beats die, fail and do not know them.</summary>
public sealed class RunNowTests
{
    const int Refused = 303, NotEnqueued = 316, Waits = 317, Dropped = 318;
    static readonly DateTimeOffset noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    static readonly TimeSpan minute = TimeSpan.FromMinutes(1);

    readonly SleepCountingClock clock = new(noon);
    readonly InMemoryTransport transport;

    public RunNowTests() => transport = new(clock);

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_id_is_made_of_name_and_request_and_is_no_id_of_an_occurrence()
    {
        await using var beat = await StartAsync(Tick);

        Assert.Equal("tick@20260301T120000.0000000Z", await Schedules(Tick).RunNowAsync("tick", Cancellation));

        await beat.UntilAsync(() => beat.Fired.Count == 1, "the run");
        Assert.Equal(("tick@20260301T120000.0000000Z", "tick", "news.refresh"), beat.Dispatcher.Enqueued.Single() is var job ? (job.Id, job.Schedule, job.TaskName) : default);
    }

    [Fact]
    public async Task A_leader_that_is_deposed_in_the_middle_of_a_run_leaves_it_to_the_next_with_the_same_id()
    {
        var journal = (InMemoryJournal)transport.OpenJournal("beat");
        await using var leader = await StartAsync(Tick);
        await using var standby = RunningBeat.StandBy(clock, transport, Tick);
        await Wait.Until(() => journal.StandingBy == 1);
        leader.Dispatcher.Hold = _ => true;
        var id = await Schedules(Tick).RunNowAsync("tick", Cancellation);
        await Wait.Until(() => leader.Dispatcher.Held == 1);

        await journal.DeposeAsync();
        await Wait.Until(() => standby.Fired.Count == 1);

        Assert.Equal([id], standby.Fired);
        Assert.Equal([id], leader.Dispatcher.Attempts.Select(job => job.Id));
        Assert.Empty(leader.Fired);
    }

    [Fact]
    public async Task A_run_that_cannot_be_enqueued_survives_compaction_and_its_beat_and_is_done_once_for_good()
    {
        string id;
        await using (var failing = await StartAsync(Tick))
        {
            failing.Dispatcher.Fail = job => job.Id!.Contains('.') ? new InvalidOperationException("no broker today") : null;
            id = await Schedules(Tick).RunNowAsync("tick", Cancellation);
            await failing.UntilAsync(() => failing.Log.Count(NotEnqueued) == 1, "the failure to be said");
            await failing.SettleAsync(2);
            await CompactAsync();
            await failing.JumpAsync(minute, 2);
            Assert.Equal(["tick@20260301T120100Z"], failing.Fired); // the occurrences go on
        }

        await using (var next = await StartAsync(Tick))
        {
            await next.UntilAsync(() => next.Fired.Count == 1, "the run");
            Assert.Equal([id], next.Fired);
            await CompactAsync();
        }

        Assert.Empty(Merged(await RecordsAsync()).RunsWaiting());
        await using var last = await StartAsync(Tick);
        await last.JumpAsync(minute);
        Assert.Equal(["tick@20260301T120200Z"], last.Fired);
    }

    [Fact]
    public async Task A_run_that_has_waited_for_a_beat_for_more_than_a_day_is_dropped_and_said()
    {
        await Schedules(Tick).RunNowAsync("tick", Cancellation);
        clock.Advance(TimeSpan.FromHours(25));
        await using (var beat = await StartAsync(Tick))
        {
            await beat.UntilAsync(() => beat.Log.Count(Dropped) == 1, "the drop to be said");
            Assert.Empty(beat.Fired);
        }

        Assert.Empty(Merged(await RecordsAsync()).RunsWaiting());
    }

    [Fact]
    public async Task A_run_of_a_schedule_that_was_removed_since_is_dropped_and_said()
    {
        var schedules = Schedules();
        await schedules.SetAsync("live", minute, new Job("news.live"), cancellationToken: Cancellation);
        await schedules.RunNowAsync("live", Cancellation);
        await schedules.RemoveAsync("live", Cancellation);

        await using var beat = await StartAsync(Tick);
        await beat.UntilAsync(() => beat.Log.Count(Dropped) == 1, "the drop to be said");
        Assert.Empty(beat.Fired);
    }

    [Fact]
    public async Task A_run_of_a_schedule_that_the_leader_does_not_know_waits_for_one_that_does()
    {
        var own = new Schedule("own", Timing.Every(minute), new Job("news.own"), MisfirePolicy.Once);
        await using (var other = await StartAsync(Tick))
        {
            await Schedules(own).RunNowAsync("own", Cancellation);
            await other.UntilAsync(() => other.Log.Count(Waits) == 1, "the wait to be said");
            Assert.Empty(other.Fired);
        }

        await using var next = await StartAsync(Tick, own);
        await next.UntilAsync(() => next.Fired.Count == 1, "the run");
        Assert.Equal(["own@20260301T120000.0000000Z"], next.Fired);
    }

    [Fact]
    public async Task A_run_whose_job_is_refused_for_good_is_said_and_not_tried_again()
    {
        await using (var beat = await StartAsync(Tick))
        {
            beat.Dispatcher.Fail = _ => new ArgumentException("no such queue");
            await Schedules(Tick).RunNowAsync("tick", Cancellation);
            await beat.UntilAsync(() => beat.Log.Count(Refused) == 1, "the refusal to be said");
        }

        Assert.Empty(Merged(await RecordsAsync()).RunsWaiting());
    }

    [Fact]
    public void A_request_and_the_note_that_it_is_done_give_the_same_in_any_order_and_as_long_as_the_request_counts()
    {
        BeatRecord asked = new() { Runs = [new("tick", noon.UtcTicks)] }, done = new() { Runs = [new("tick", noon.UtcTicks, IsDone: true)] };
        Assert.Single(Merged([asked, asked]).RunsWaiting());
        Assert.Empty(Merged([asked, done, asked]).RunsWaiting());
        var state = Merged([done, asked]);
        Assert.Empty(state.RunsWaiting());

        Assert.Empty(Merged([.. state.Snapshot(_ => true, noon + RequestedRun.LongestWait), asked]).RunsWaiting());
        Assert.Empty(state.Snapshot(_ => true, noon + 3 * RequestedRun.LongestWait));
        Assert.Single(Merged(Merged([asked]).Snapshot(_ => true, noon + 3 * RequestedRun.LongestWait)).RunsWaiting());
    }

    static Schedule Tick => new("tick", Timing.Every(minute), new Job("news.refresh"), MisfirePolicy.Once);

    Task<RunningBeat> StartAsync(params Schedule[] schedules) => RunningBeat.StartAsync(clock, transport, schedules);

    JournaledSchedules Schedules(params Schedule[] ofCode) =>
        new(transport, new TaskRegistry([]), ofCode, Options.Create(new JobsOptions()), Options.Create(new BeatOptions()), clock);

    /// <summary>Makes the leader put all records so far into a snapshot.</summary>
    async Task CompactAsync()
    {
        const int Enough = 100;
        await using (var journal = transport.OpenJournal("beat"))
        {
            for (var i = 0; i < Enough; i++)
            {
                await journal.AppendAsync(new BeatRecord().Write(), minute, Cancellation);
            }
        }

        await Schedules().ListAsync(Cancellation); // is answered after these records are read
        Assert.InRange(((InMemoryJournal)transport.OpenJournal("beat")).Count, 1, Enough - 1);
    }

    async Task<List<BeatRecord>> RecordsAsync()
    {
        await using var journal = transport.OpenJournal("beat");
        await using var reader = await journal.LeadAsync(Cancellation);
        return [.. reader.Backlog.Select(record => BeatRecord.Read(record.Bytes))];
    }

    static BeatState Merged(IEnumerable<BeatRecord> records)
    {
        var state = new BeatState();
        foreach (var record in records)
        {
            state.Merge(record);
        }

        return state;
    }
}
