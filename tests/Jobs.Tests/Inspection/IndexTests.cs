using Jobs.Inspection;
using Xunit;
using static Jobs.Tests.Inspection.Events;

namespace Jobs.Tests.Inspection;

/// <summary>What the index finds, and what it costs.</summary>
public sealed class IndexTests
{
    readonly JobIndex index = new(1000, long.MaxValue);

    [Fact]
    public void Each_part_of_a_query_narrows_the_search()
    {
        index.Take(
            Received(Id(1), 1, task: "news.refresh", args: "('cricket',)"), Succeeded(Id(1), 2),
            Received(Id(2), 3, task: "news.publish", args: "('Rugby', 7)", queue: "web", worker: "jobs@two"), Failed(Id(2), 4, worker: "jobs@two"),
            Received(Id(3), 5, task: "mail.send", queue: "mail"), Retried(Id(3), 6, "ValueError('bad', 42)", Python));

        Assert.Equal([3, 2, 1], Found(new()));
        Assert.Equal([1], Found(new() { Task = "news.refresh" }));
        Assert.Equal([2, 1], Found(new() { Task = "news.*" }));
        Assert.Equal([3], Found(new() { Queue = "mail" }));
        Assert.Equal([2], Found(new() { Worker = "*two" }));
        Assert.Equal([2], Found(new() { ArgumentText = "rugby" }));
        Assert.Equal([2], Found(new() { ErrorText = "TOO slow" }));
        Assert.Equal([3], Found(new() { ErrorText = "tasks.py" }));
        Assert.Equal([3, 2], Found(new() { States = [JobState.Dead, JobState.Retrying] }));
        Assert.Equal([1], Found(new() { Id = Id(1) }));
        Assert.Equal([3, 2, 1], Found(new() { Id = Id(1)[..8] })); // made in the same minute
        Assert.Equal([3, 2], Found(new() { From = Start.AddSeconds(2.5) }));
        Assert.Equal([2, 1], Found(new() { To = Start.AddSeconds(4.5) }));
        Assert.Equal([2], Found(new() { From = Start.AddSeconds(3), To = Start.AddSeconds(4), Task = "*" }));
        Assert.Equal([], Found(new() { Task = "news.refresh", Queue = "mail" }));
        Assert.Equal([], Found(new() { ArgumentText = "nothing of the kind" }));
    }

    [Fact]
    public void Pages_follow_each_other_also_while_new_jobs_come()
    {
        for (var i = 0; i < 25; i++)
        {
            index.Take(Received(Id(i), i));
        }

        var (pages, cursor) = (new List<int[]>(), (JobCursor?)null);
        for (var page = 0; page < 3; page++)
        {
            var found = index.Search(JobFilter.Of(new()), JobCursor.Of(cursor?.ToString()), 10);
            pages.Add([.. found.Select(one => Number(one.Job))]);
            cursor = found[^1].Cursor;
            index.Take(Received(Id(100 + page), 100 + page));
        }

        Assert.Equal(Enumerable.Range(0, 25).Reverse(), pages.SelectMany(page => page));
        Assert.Empty(index.Search(JobFilter.Of(new()), cursor, 10));
    }

    [Fact]
    public void A_cursor_whose_job_has_gone_leads_on_by_its_time()
    {
        var small = new JobIndex(10, long.MaxValue);
        small.Take(Enumerable.Range(0, 10).Select(i => Received(Id(i), i)));
        var cursor = small.Search(JobFilter.Of(new()), null, 7)[^1].Cursor; // behind job 3
        var another = new JobIndex(10, long.MaxValue).Take(Enumerable.Range(0, 3).Select(i => Received(Id(i), i)));

        Assert.Equal([2, 1, 0], another.Search(JobFilter.Of(new()), cursor, 10).Select(one => Number(one.Job)));
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("zz.id")]
    [InlineData(".")]
    [InlineData("ffffffffffffffff.id")]
    [InlineData("1-2-3.id")]
    [InlineData("1--.id")]
    public void A_cursor_of_somebody_else_is_refused(string cursor) => Assert.Throws<ArgumentException>(() => JobCursor.Of(cursor));

    [Fact]
    public void Jobs_that_had_to_go_are_no_failures_and_no_relatives_any_more()
    {
        var small = new JobIndex(2, long.MaxValue);
        small.Take(Received(Id(1), 1), Received(Id(2), 2, root: Id(1), parent: Id(1)), Failed(Id(2), 3));
        Assert.Equal([Id(2)], small.Find(Id(1))!.Children);

        small.Take(Received(Id(3), 4, root: Id(1), parent: Id(1)), Received(Id(4), 5));

        Assert.Empty(small.Failures(JobFilter.Of(new())));
        small.Take(Received(Id(1), 6));
        Assert.Empty(small.Find(Id(1))!.Children);
    }

    [Fact]
    public void Failures_are_grouped_by_their_type_and_place()
    {
        const string Elsewhere = "System.TimeoutException: too slow\n   at Mail.Sender.SendAsync()";
        index.Take(
            Received(Id(1), 1), Retried(Id(1), 2), Received(Id(1), 3, retries: 1), Failed(Id(1), 4, "TimeoutException('slower')"),
            Received(Id(2), 5, task: "news.publish"), Failed(Id(2), 6),
            Received(Id(3), 7, task: "mail.send"), Failed(Id(3), 8, traceback: Elsewhere),
            Received(Id(4), 9, task: "tasks.fail"), Failed(Id(4), 10, "ValueError('bad', 42)", Python),
            Received(Id(5), 11, task: "tasks.fail"), Retried(Id(5), 12, "Retry(Retry(...), ValueError('worse', 43), 1)", Python),
            Received(Id(6), 13), Failed(Id(6), 14, "NotRegistered('nobody')", ""),
            Received(Id(8), 11, task: "tasks.fail"), Failed(Id(8), 11.5, "ExceptionWithTraceback()", $"\n\"\"\"\n{Python}\"\"\""),
            Received(Id(7), 15), Succeeded(Id(7), 16));

        var groups = index.Failures(JobFilter.Of(new()));

        Assert.Equal(
            [
                ("ValueError", "File \"/app/tasks.py\", line 12, in fail", 3, 3, 2, "tasks.fail"),
                ("TimeoutException", "News.FeedClient.GetAsync(String source) in Feed.cs:line 7", 3, 2, 2, "news.publish,news.refresh"),
                ("NotRegistered", "", 1, 1, 1, "news.refresh"),
                ("TimeoutException", "Mail.Sender.SendAsync()", 1, 1, 1, "mail.send"),
            ],
            groups.Select(group => (group.Type, group.Frame, group.Count, group.Jobs, group.Dead, string.Join(',', group.Tasks))));
        Assert.Equal((Start.AddSeconds(2), Start.AddSeconds(6), Id(2), "too slow"), (groups[1].First, groups[1].Last, groups[1].LastJobId, groups[1].LastMessage));
        Assert.Equal("'worse', 43", groups[0].LastMessage);
        Assert.Equal([Id(2), Id(1)], Ids(new() { ErrorType = "TimeoutException", ErrorFrame = groups[1].Frame }));
        Assert.Equal([Id(3)], Ids(new() { ErrorType = "TimeoutException", ErrorFrame = "Mail.Sender.SendAsync()" }));
        Assert.Empty(Ids(new() { ErrorType = "ValueError", ErrorFrame = groups[1].Frame }));

        List<string> Ids(JobQuery query) => [.. index.Search(JobFilter.Of(query), null, 100).Select(found => found.Job.Id)];
        Assert.Equal(["mail.send"], Assert.Single(index.Failures(JobFilter.Of(new() { Task = "mail.*" }))).Tasks);
        Assert.Equal(1, index.Failures(JobFilter.Of(new() { From = Start.AddSeconds(5), To = Start.AddSeconds(7) }))[0].Count);
    }

    [Fact]
    public void The_oldest_jobs_go_when_there_are_too_many_or_they_take_too_much()
    {
        var few = new JobIndex(10, long.MaxValue).Take(Enumerable.Range(0, 5000).Select(i => Received(Id(i), i)));
        Assert.Equal((10, true), (few.Count, few.HasEvicted));
        Assert.Equal(Enumerable.Range(4990, 10).Reverse(), few.Search(JobFilter.Of(new()), null, 100).Select(one => Number(one.Job)));
        Assert.Equal(Start.AddSeconds(4990).Ticks, few.OldestAt);
        Assert.Null(few.Find(Id(4989)));

        var small = new JobIndex(100_000, 1 << 20).Take(Enumerable.Range(0, 5000).Select(i => Received(Id(i), i, args: new string('x', 2000))));
        Assert.InRange(small.Count, 350, 450);
        Assert.InRange(small.Bytes, 1_000_000, 1 << 20);
        Assert.NotNull(small.Find(Id(4999)));
    }

    [Fact]
    public void A_worker_runs_since_it_says_so_or_since_its_first_greeting()
    {
        var (workers, scratch) = (new WorkerBook(), new JobEvent());
        Assert.Equal(Start.AddSeconds(-50), Tell(Of("worker-heartbeat", 1, $"\"since\":{Start.ToUnixTimeSeconds() - 50}"))); // of ours
        Assert.Equal(Start.AddSeconds(9), Tell(Of("worker-online", 10, $"\"since\":{Start.ToUnixTimeSeconds() + 9}"))); // anew
        Assert.Null(Tell(Of("worker-heartbeat", 1, "\"since\":\"x\"", "odd")));

        Assert.Null(Tell(Python("worker-heartbeat", 1, processed: 5))); // its greeting is older than the history
        Assert.Equal(Start.AddSeconds(2), Tell(Python("worker-online", 2, processed: 5)));
        Assert.Equal(Start.AddSeconds(2), Tell(Python("worker-online", 20, processed: 7))); // it was connected anew
        Assert.Equal(Start.AddSeconds(30), Tell(Python("worker-online", 30, processed: 0))); // a new process that has the old one's id, as in containers
        Assert.Equal(Start.AddSeconds(40), Tell(Python("worker-online", 40, processed: 0, process: 2)));
        Assert.Null(Tell(Python("worker-heartbeat", 50, processed: 0, process: 3)));
        Assert.Equal(Start.AddSeconds(60), Tell(Python("worker-online", 60, processed: 0, process: 3)));
        Assert.Equal(Start.AddSeconds(60), Tell(Python("worker-offline", 70, processed: 0, process: 3)));
        Assert.Equal(Start.AddSeconds(80), Tell(Python("worker-online", 80, processed: 0, process: 3)));

        DateTimeOffset? Tell(string json)
        {
            var name = "";
            EventReader.Read(Bytes(json).Span, scratch, news =>
            {
                workers.Apply(news, Start.Ticks);
                name = System.Text.Encoding.UTF8.GetString(news[EventText.Hostname]);
            });
            return workers.List(Start.Ticks).Single(worker => worker.Name == name).StartedAt;
        }

        static string Python(string type, double at, int processed, int process = 1) =>
            $$"""{"hostname":"w1@host","utcoffset":0,"pid":{{process}},"freq":2.0,"active":0,"processed":{{processed}},"sw_ident":"py-celery","timestamp":{{Start.ToUnixTimeSeconds() + at}},"type":"{{type}}"}""";
    }

    [Fact]
    public void Workers_live_for_two_heartbeats_and_a_goodbye_counts_at_once()
    {
        var (workers, scratch) = (new WorkerBook(), new JobEvent());
        Tell(Of("worker-online", 0, """ "freq":2.0,"active":0,"processed":0,"loadavg":[0.23,0.47,0.35],"sw_ident":"py-celery","sw_ver":"5.2.6","sw_sys":"Linux" """, "w1@host"), 0);
        Tell(Of("worker-heartbeat", 0, """ "freq":5.0,"active":3,"processed":70,"loadavg":[1,2,3],"sw_ident":"jobs","sw_ver":"0.1.0","sw_sys":"Linux","queues":["news","web"],"slots":8,"version":"3.2" """, "jobs@one"), 0);

        Assert.Equal([("jobs@one", true), ("w1@host", true)], Alive(3.9));
        Assert.Equal([("jobs@one", true), ("w1@host", false)], Alive(4.1));
        Assert.Equal([("jobs@one", false), ("w1@host", false)], Alive(10.1));
        var ours = workers.List(Ticks(1))[0];
        Assert.Equal(
            (8227, "jobs", "0.1.0", "Linux", 3, 70L, 8, "3.2", Start),
            (ours.ProcessId!.Value, ours.Software, ours.SoftwareVersion, ours.System, ours.Active!.Value, ours.Processed!.Value, ours.Slots!.Value, ours.Version, ours.LastSeenAt));
        Assert.Equal(["news", "web"], ours.Queues);
        Assert.Equal([1, 2, 3], ours.LoadAverage);

        Tell(Started(Id(1), 12, "w1@host"), 12); // any event shows that it lives
        Assert.Equal([("jobs@one", false), ("w1@host", true)], Alive(13));
        Tell(Of("worker-offline", 13, "\"freq\":2.0", "w1@host"), 13);
        Tell(Of("worker-heartbeat", 12.5, "\"freq\":2.0", "w1@host"), 13); // late
        Assert.Equal([("jobs@one", false), ("w1@host", false)], Alive(13));
        Assert.Empty(workers.List(Ticks(2 * 86_400)));

        void Tell(string json, double heard) => EventReader.Read(Bytes(json).Span, scratch, news => workers.Apply(news, Ticks(heard)));
        (string, bool)[] Alive(double now) => [.. workers.List(Ticks(now)).Select(worker => (worker.Name, worker.IsAlive))];
        static long Ticks(double seconds) => Start.AddSeconds(seconds).Ticks;
    }

    int[] Found(JobQuery query) => [.. index.Search(JobFilter.Of(query), null, 100).Select(one => Number(one.Job))];

    static int Number(JobInfo job) => (int)(JobKey.Of(job.Id).Time!.Value - Start).TotalSeconds;
}
