using System.Collections.Concurrent;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Beat;

/// <summary>Beats that agree by a journal on a real broker. A run of many deaths is the command <c>beats</c> of tests/Jobs.Faults.</summary>
public sealed class JournalBeatTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int Leads = 306, LeadsNoMore = 307, Connected = 400;
    static readonly TimeSpan soon = TimeSpan.FromSeconds(40);
    static readonly TimeSpan second = TimeSpan.FromSeconds(1);

    readonly Bench bench = new(brokers.Broker);
    readonly ConcurrentDictionary<string, int> ran = new(StringComparer.Ordinal);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task The_next_beat_goes_on_where_a_lost_leader_ended()
    {
        var proxy = bench.Proxy();
        var first = Beat(proxy.Through(brokers.Broker.AmqpUri).ToString());
        await bench.StartedAsync(first);
        await Eventually.BecomesAsync(() => bench.Logged(Leads) == 1, soon, "the first beat to lead");
        await bench.StartedAsync(Worker());
        await bench.StartedAsync(Beat(brokers.Broker.AmqpUri.ToString()));
        await Eventually.BecomesAsync(() => bench.Logged(Connected, "side") == 3 && Occurrences("tick").Count >= 2, soon, "the other to stand by");
        Assert.Equal(1, bench.Logged(Leads));

        proxy.RefuseNew();
        proxy.ResetAll();
        await Eventually.BecomesAsync(() => bench.Logged(Leads) == 2 && bench.Logged(LeadsNoMore) == 1, soon, "the other to lead");
        var taken = DateTimeOffset.UtcNow;
        await Eventually.BecomesAsync(() => Occurrences("tick") is { Count: > 0 } occurrences && occurrences.Max > taken, soon, "occurrences to go on");

        await WithoutGapAsync("tick");
    }

    [Fact]
    public async Task A_leader_that_stops_hands_over_and_no_occurrence_runs_twice()
    {
        var first = Beat(brokers.Broker.AmqpUri.ToString());
        await bench.StartedAsync(first);
        await bench.StartedAsync(Worker());
        await Eventually.BecomesAsync(() => bench.Logged(Leads) == 1 && Occurrences("tick").Count >= 1, soon, "the first beat to fire");
        await bench.StartedAsync(Beat(brokers.Broker.AmqpUri.ToString()));
        await Eventually.BecomesAsync(() => bench.Logged(Connected, "side") == 3, soon, "the other to stand by");

        await first.StopAsync(TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => bench.Logged(Leads) == 2, soon, "the other to lead");
        var taken = DateTimeOffset.UtcNow;
        await Eventually.BecomesAsync(() => Occurrences("tick").Max > taken + second, soon, "occurrences to go on");

        await WithoutGapAsync("tick");
        Assert.All(ran, occurrence => Assert.Equal(1, occurrence.Value));
        Assert.Equal(0, bench.Logged(LeadsNoMore));
    }

    [Fact]
    public async Task A_schedule_set_by_another_process_fires_and_survives_all_beats()
    {
        var web = bench.Host();
        var schedules = web.Services.GetRequiredService<JobSchedules>();
        await schedules.SetAsync("live", second, ProbeTask.Job(), MisfirePolicy.All, TestContext.Current.CancellationToken); // no beat is there yet
        await bench.StartedAsync(Worker());
        var first = Beat(brokers.Broker.AmqpUri.ToString());
        await bench.StartedAsync(first);
        await Eventually.BecomesAsync(() => Occurrences("live").Count >= 2, soon, "it to fire");
        Assert.Equal(["live", "tick"], (await schedules.ListAsync(TestContext.Current.CancellationToken)).Select(schedule => schedule.Name)); // "tick" is of the beat's code
        await Assert.ThrowsAsync<ArgumentException>(() => schedules.PauseAsync("tikc", TestContext.Current.CancellationToken));
        await schedules.PauseAsync("tick", TestContext.Current.CancellationToken);
        await first.StopAsync(TestContext.Current.CancellationToken);
        var paused = DateTimeOffset.UtcNow;

        await bench.StartedAsync(Beat(brokers.Broker.AmqpUri.ToString()));
        await Eventually.BecomesAsync(() => Occurrences("live").Max > paused + 2 * second, soon, "it to fire under the next beat");
        await WithoutGapAsync("live");
        Assert.True(Occurrences("tick").Count == 0 || Occurrences("tick").Max <= paused, "the pause survives");

        await schedules.RemoveAsync("live", TestContext.Current.CancellationToken);
        await schedules.RemoveAsync("tick", TestContext.Current.CancellationToken);
        var removed = DateTimeOffset.UtcNow;
        await Eventually.BecomesAsync(() => Occurrences("tick") is { Count: > 0 } ticks && ticks.Max > removed, soon, "the schedule of code to fire again");
        var read = DateTimeOffset.UtcNow; // by the leader, and the removal before it
        await Eventually.BecomesAsync(() => Occurrences("tick").Max > read + 2 * second, soon, "it to go on");
        Assert.True(Occurrences("live").Max <= read, "what was removed fires no more");
    }

    [Fact]
    public async Task A_journal_that_was_deleted_is_made_again_and_the_beat_that_led_goes_on()
    {
        await bench.StartedAsync(Worker());
        await bench.StartedAsync(Beat(brokers.Broker.AmqpUri.ToString(), o => o.WatchdogInterval = 5 * second)); // 3.10 may tell its consumer nothing
        await Eventually.BecomesAsync(() => Occurrences("tick").Count >= 1, soon, "it to fire");

        (await brokers.Broker.Management.DeleteAsync($"api/queues/%2F/{bench.Prefix}.journal.beat", TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();
        await Eventually.BecomesAsync(() => bench.Logged(Leads) == 2 && bench.Logged(LeadsNoMore) == 1, soon, "it to lead again");
        var again = DateTimeOffset.UtcNow;
        await Eventually.BecomesAsync(() => Occurrences("tick").Max > again, soon, "occurrences to go on");

        await WithoutGapAsync("tick");
    }

    IHost Beat(string uri, Action<RabbitMqOptions>? rabbit = null) => bench.Host(
        uri,
        rabbit,
        more: add => add.AddSchedule("tick", second, ProbeTask.Job() with { Queue = bench.Queue }, MisfirePolicy.All).AddBeat());

    IHost Worker() => bench.Host(task: new ProbeTask((context, _) =>
    {
        ran.AddOrUpdate(context.Id, 1, (_, n) => n + 1);
        return ValueTask.CompletedTask;
    }));

    SortedSet<DateTimeOffset> Occurrences(string schedule) => [.. ran.Keys
        .Select(id => id.Split('@'))
        .Where(parts => parts[0] == schedule)
        .Select(parts => DateTimeOffset.ParseExact(parts[1], "yyyyMMdd'T'HHmmss'Z'", null, System.Globalization.DateTimeStyles.AssumeUniversal))];

    // Occurrences that are late together run side by side: one may end before the one before it.
    Task WithoutGapAsync(string schedule) => Eventually.BecomesAsync(
        () => Occurrences(schedule) is { Count: > 0 } occurrences && (occurrences.Max - occurrences.Min).TotalSeconds + 1 == occurrences.Count, soon, "no occurrence to be missing");
}
