using System.Globalization;
using System.Text.Json;
using Jobs.Contracts;
using Jobs.Inspection;
using Jobs.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;
using static Jobs.Tests.Inspection.Events;

namespace Jobs.Tests.Inspection;

/// <summary>What workers did in the last hour, from the counts of our workers and the events of Celery's.</summary>
public sealed class ThroughputTests : IAsyncDisposable
{
    /// <summary>The last of the 60 minutes.</summary>
    const int Last = 59;

    readonly FakeTimeProvider time = new(Start);
    readonly InMemoryTransport transport;
    readonly Inspector inspector;

    public ThroughputTests()
    {
        transport = new(time);
        inspector = NewInspector();
    }

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await inspector.DisposeAsync();
        await transport.DisposeAsync();
    }

    [Fact]
    public async Task Totals_become_what_was_done_in_each_minute()
    {
        Online(0, since: 0);
        Counts(10, 0, Count("news.refresh", "news", started: 3, succeeded: 1, failed: 1, retried: 1, runtime: 1.5), Count("mail.send", "mail", expired: 2));
        Counts(11, 0, Count("news.refresh", "web", started: 1));
        Counts(70, 0, Count("news.refresh", "news", started: 5, succeeded: 3, failed: 1, retried: 1, runtime: 3.75));

        var told = await ToldAsync(at: 75);

        Assert.Equal(Start.AddMinutes(1 - Last), told.From);
        Assert.Equal([("mail.send", "mail"), ("news.refresh", "news"), ("news.refresh", "web")], told.Tasks.Select(one => (one.Task, one.Queue)));
        Assert.All(told.Tasks, one => Assert.Equal(60, one.Minutes.Count));
        Assert.Equal(new() { Expired = 2 }, told.Tasks[0].Minutes[Last - 1]);
        var minutes = told.Tasks[1].Minutes;
        Assert.Equal(new() { Started = 3, Succeeded = 1, Failed = 1, Retried = 1, Runtime = TimeSpan.FromSeconds(1.5) }, minutes[Last - 1]);
        Assert.Equal(new() { Started = 2, Succeeded = 2, Runtime = TimeSpan.FromSeconds(2.25) }, minutes[Last]);
        Assert.All(minutes.Take(Last - 1), minute => Assert.Equal(default, minute));
    }

    [Fact]
    public async Task The_first_totals_count_of_a_worker_that_is_known_from_its_start_and_of_no_other()
    {
        Online(0, since: 0);
        Counts(50, 0, Count("known", "q", started: 3)); // it had nothing to do before
        CountsBy("jobs@old", 50, -1000, Count("old", "q", started: 500));
        CountsBy("jobs@old", 51, -1000, Count("old", "q", started: 504), Count("first heard of", "q", started: 7000));
        CountsBy("jobs@old", 52, -1000, Count("first heard of", "q", started: 7001));
        CountsBy("jobs@young", 52, 51, Count("young", "q", started: 2));

        var told = await ToldAsync(at: 55);

        Assert.Equal([("first heard of", 1L), ("known", 3L), ("old", 4L), ("young", 2L)], told.Tasks.Select(one => (one.Task, one.Minutes[Last].Started)));
    }

    [Fact]
    public async Task A_worker_that_begins_anew_under_its_name_begins_at_zero()
    {
        Online(0, since: 0);
        Counts(1, 0, Count("t", "q", started: 10));
        Online(20, since: 20);
        Counts(40, 20, Count("t", "q", started: 12));

        Assert.Equal(22, (await ToldAsync(at: 55)).Tasks[0].Minutes[Last].Started);
    }

    [Fact]
    public async Task The_time_of_the_event_decides_and_minutes_go_by()
    {
        Online(0, since: 0);
        Counts(30, 0, Count("t", "q", started: 1));
        time.SetUtcNow(Start.AddMinutes(10));
        Counts(500, 0, Count("t", "q", started: 3)); // is heard of late
        Counts(100_000, 0, Count("t", "q", started: 7)); // by a clock that is wrong
        var minutes = (await inspector.ThroughputAsync(Stop).Soon()).Tasks[0].Minutes;
        Assert.Equal((1, 2, 4), (minutes[Last - 10].Started, minutes[Last - 2].Started, minutes[Last].Started));

        time.SetUtcNow(Start.AddMinutes(65));
        minutes = (await inspector.ThroughputAsync(Stop).Soon()).Tasks[0].Minutes;
        Assert.Equal((2, 4), (minutes[Last - 57].Started, minutes[Last - 55].Started));
        Assert.Equal(6, minutes.Sum(minute => minute.Started));

        Counts(3000, 0, Count("t", "q", started: 8));
        Counts(32, 0, Count("t", "q", started: 9)); // more than an hour ago
        Assert.Equal(7, (await inspector.ThroughputAsync(Stop).Soon()).Tasks[0].Minutes.Sum(minute => minute.Started));
        time.SetUtcNow(Start.AddMinutes(120));
        Assert.Empty((await inspector.ThroughputAsync(Stop).Soon()).Tasks);
    }

    /// <summary>The texts are Celery 5.6's own, as its worker sent them (celery-protocol.md §9.2).</summary>
    [Fact]
    public async Task Jobs_of_a_python_worker_are_counted_one_by_one()
    {
        const string Online = """{"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":3,"freq":2.0,"active":0,"processed":0,"loadavg":[0.23,0.47,0.35],"sw_ident":"py-celery","sw_ver":"5.6.2","sw_sys":"Linux","timestamp":1795383951.4897618,"type":"worker-online"}""";
        const string Batch = """
            [{"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":4,"uuid":"1feeb429-0d0c-4b3a-9f6e-3d5f0c7f2a11","name":"tasks.add","args":"(2, 2)","kwargs":"{}","root_id":"1feeb429-0d0c-4b3a-9f6e-3d5f0c7f2a11","parent_id":null,"retries":0,"eta":null,"expires":null,"timestamp":1795383951.4906254,"type":"task-received"},
             {"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":5,"uuid":"1feeb429-0d0c-4b3a-9f6e-3d5f0c7f2a11","timestamp":1795383951.4911,"type":"task-started"},
             {"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":6,"uuid":"1feeb429-0d0c-4b3a-9f6e-3d5f0c7f2a11","result":"4","runtime":0.25,"timestamp":1795383951.4915,"type":"task-succeeded"},
             {"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":7,"uuid":"2a","name":"tasks.fail","args":"()","kwargs":"{}","root_id":"2a","parent_id":null,"retries":0,"eta":null,"expires":null,"timestamp":1795383951.5,"type":"task-received"},
             {"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":8,"uuid":"2a","timestamp":1795383951.5,"type":"task-started"},
             {"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":9,"uuid":"2a","exception":"Retry(Retry(...), KeyError('k'), 1)","traceback":"Traceback","timestamp":1795383951.6,"type":"task-retried"},
             {"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":10,"uuid":"2a","timestamp":1795383951.7,"type":"task-started"},
             {"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":11,"uuid":"2a","exception":"ValueError('bad', 42)","traceback":"Traceback","timestamp":1795383951.8,"type":"task-failed"},
             {"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":12,"uuid":"3a","terminated":false,"signum":null,"expired":true,"timestamp":1795383951.9,"type":"task-revoked"}]
            """;
        time.SetUtcNow(DateTimeOffset.FromUnixTimeSeconds(1795383952));
        foreach (var greeting in new[] { null, Online }) // its greeting may be older than the history
        {
            await using var one = NewInspector();
            if (greeting is not null)
            {
                one.History.Hear(Bytes(greeting).Span);
            }

            one.History.Hear(Bytes(Batch).Span);

            var told = (await one.ThroughputAsync(Stop).Soon()).Tasks;
            Assert.Equal([("_unknown", ""), ("tasks.add", ""), ("tasks.fail", "")], told.Select(task => (task.Task, task.Queue)));
            Assert.Equal(
                [new() { Expired = 1 }, new() { Started = 1, Succeeded = 1, Runtime = TimeSpan.FromSeconds(0.25) }, new() { Started = 2, Failed = 1, Retried = 1 }],
                told.Select(task => task.Minutes[Last]));
        }
    }

    [Fact]
    public async Task What_a_worker_of_ours_tells_one_by_one_is_not_counted_a_second_time()
    {
        string[] events = [Received(Id(1), 1), Started(Id(1), 1), Retried(Id(1), 1), Started(Id(1), 2), Failed(Id(1), 2), Received(Id(2), 3), Started(Id(2), 3), Succeeded(Id(2), 3)];
        Hear(events); // nobody has heard yet whose they are
        Online(4, since: 0);
        Hear(events);
        Counts(5, 0, Count("news.refresh", "news", started: 3, succeeded: 1, failed: 1, retried: 1));

        var told = Assert.Single((await ToldAsync(at: 10)).Tasks);

        Assert.Equal(new() { Started = 3, Succeeded = 1, Failed = 1, Retried = 1 }, told.Minutes[Last]);
    }

    [Fact]
    public async Task A_process_that_has_just_started_knows_the_past_from_the_history_and_says_since_when()
    {
        Assert.Null((await inspector.ThroughputAsync(Stop).Soon()).Problem);
        Assert.Equal(Start, (await inspector.ThroughputAsync(Stop)).KnownFrom); // the history is empty, and from now on nothing is missed
        time.SetUtcNow(Start.AddMinutes(30));
        await transport.History.AppendAsync([
            .. new[] { OnlineOf(5, 0), CountsOf(10, 0, "jobs@one", Count("t", "q", started: 2)), CountsOf(700, 0, "jobs@one", Count("t", "q", started: 5)) }.Select(Bytes)], Stop);
        await Wait.Until(async () => (await inspector.ThroughputAsync(Stop)).Tasks.Count == 1);

        await using var later = NewInspector();
        var told = await later.ThroughputAsync(Stop).Soon();

        Assert.Equal((Start.AddMinutes(30), null), (told.KnownFrom, told.Problem)); // when the entries were added
        Assert.Equal((2, 3), (told.Tasks[0].Minutes[Last - 30].Started, told.Tasks[0].Minutes[Last - 19].Started));
        Same(told, await inspector.ThroughputAsync(Stop) with { KnownFrom = told.KnownFrom });
        Same(told, JsonSerializer.Deserialize(JsonSerializer.Serialize(told, InspectionJson.Default.ThroughputInfo), InspectionJson.Default.ThroughputInfo)!);

        static void Same(ThroughputInfo one, ThroughputInfo other) => Assert.Equal(JsonSerializer.Serialize(one), JsonSerializer.Serialize(other));
    }

    [Fact]
    public async Task Names_that_somebody_makes_up_take_bounded_room_which_is_free_again_after_an_hour()
    {
        Online(0, since: 0);
        for (var i = 0; i < 1500; i += 500)
        {
            Counts(1, 0, [.. Enumerable.Range(i, 500).Select(number => Count($"t{number}", "q", started: 1))]);
        }

        Assert.Equal(Throughput.MostTasks, (await ToldAsync(at: 2)).Tasks.Count);
        time.SetUtcNow(Start.AddMinutes(61));
        Counts(3660, 0, Count("new", "q", started: 1));
        Assert.Equal("new", Assert.Single((await inspector.ThroughputAsync(Stop)).Tasks).Task);
    }

    [Theory]
    [InlineData("\"since\":\"x\"")]
    [InlineData("\"since\":1e300")]
    [InlineData("\"since\":0")]
    public async Task Counts_that_make_no_sense_harm_nobody(string since)
    {
        Online(0, since: 0);
        for (var i = 0; i < 3; i++)
        {
            Hear(Of("jobs-counts", i, $$"""{{since}},"counts":[{{Count("t", "q", started: 999_999_999_999, runtime: 9.9e11)}},{"task":"t","queue":"q","started":-5,"runtime":"x"}]"""));
            Hear(Of("jobs-counts", i, $$"""{{SinceText(0)}},"counts":[{{Count("t", "q", started: 999_999_999_999, runtime: 9.9e11)}},{"task":"t","queue":"q"}]"""));
        }

        Assert.InRange((await ToldAsync(at: 3)).Tasks[0].Minutes[Last].Runtime, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1e9));
    }

    Inspector NewInspector() => new(transport, time, NullLogger<Inspector>.Instance);

    async Task<ThroughputInfo> ToldAsync(double at)
    {
        time.SetUtcNow(Start.AddSeconds(at));
        return await inspector.ThroughputAsync(Stop).Soon();
    }

    void Online(double at, double since) => Hear(OnlineOf(at, since));

    void Counts(double at, double since, params string[] counts) => CountsBy("jobs@one", at, since, counts);

    // The clock goes with the events, unless it is ahead of them.
    void CountsBy(string worker, double at, double since, params string[] counts)
    {
        if (time.GetUtcNow() < Start.AddSeconds(at) && at < 3600)
        {
            time.SetUtcNow(Start.AddSeconds(at));
        }

        Hear(CountsOf(at, since, worker, counts));
    }

    void Hear(params string[] events)
    {
        foreach (var one in events)
        {
            inspector.History.Hear(Bytes(one).Span);
        }
    }

    static string OnlineOf(double at, double since) => Of("worker-online", at, $"{SinceText(since)},\"freq\":2.0,\"sw_ident\":\"jobs\"");

    static string CountsOf(double at, double since, string worker, params string[] counts) =>
        Of("jobs-counts", at, $"{SinceText(since)},\"counts\":[{string.Join(',', counts)}]", worker);

    static string SinceText(double since) => string.Create(CultureInfo.InvariantCulture, $"\"since\":{Start.ToUnixTimeSeconds() + since}");

    static string Count(
        string task, string queue, long started = 0, long succeeded = 0, long failed = 0, long retried = 0, long expired = 0, double runtime = 0) => string.Create(
        CultureInfo.InvariantCulture,
        $$"""{"task":"{{task}}","queue":"{{queue}}","received":{{started}},"started":{{started}},"succeeded":{{succeeded}},"failed":{{failed}},"retried":{{retried}},"expired":{{expired}},"given_back":0,"runtime":{{runtime}}}""");
}
