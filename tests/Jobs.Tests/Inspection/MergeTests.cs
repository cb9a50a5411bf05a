using Jobs.Inspection;
using Xunit;
using static Jobs.Tests.Inspection.Events;

namespace Jobs.Tests.Inspection;

/// <summary>Celery's rules for events that come in any order: celery-protocol.md §9.3.</summary>
public sealed class MergeTests
{
    readonly JobIndex index = new(1000, long.MaxValue);
    readonly string id = Id(0);

    [Fact]
    public void A_job_is_told_from_its_first_event_to_its_last()
    {
        index.Take(Received(id, 1), Started(id, 2), Succeeded(id, 4.5, result: "[1, 2]", runtime: 2.5));

        var job = index.Find(id)!;

        Assert.Equal(
            (id, "news.refresh", "news", JobState.Succeeded, "jobs@one", "('cricket',)", "{}", "[1, 2]", 0, null),
            (job.Id, job.Task, job.Queue, job.State, job.Worker, job.Arguments, job.NamedArguments, job.Result, job.Retries, job.Error));
        Assert.Equal((Start, At(1), At(2), At(4.5), TimeSpan.FromSeconds(2.5)), (job.EnqueuedAt, job.ReceivedAt, job.StartedAt, job.EndedAt, job.Runtime));
        var attempt = Assert.Single(job.Attempts);
        Assert.Equal(
            ("jobs@one", 0, JobState.Succeeded, At(1), At(2), At(4.5)),
            (attempt.Worker, attempt.Retry, attempt.State, attempt.ReceivedAt, attempt.StartedAt, attempt.EndedAt));
    }

    /// <summary>The heart of it: whatever order the events come in, and however often, the job is the same.</summary>
    [Fact]
    public void Every_order_of_the_events_gives_the_same_job()
    {
        string[] events =
        [
            Received(id, 1, clock: 4), Started(id, 2, clock: 5), Retried(id, 3, clock: 6),
            Received(id, 10, retries: 1, worker: "jobs@two", clock: 3), Started(id, 11, worker: "jobs@two", clock: 7), Failed(id, 12, worker: "jobs@two", clock: 8),
        ];
        var expected = Text(index.Take(events).Find(id)!);
        var seen = 0;
        foreach (var order in Permutations(events))
        {
            Assert.Equal(expected, Text(new JobIndex(10, long.MaxValue).Take(order).Find(id)!));
            seen++;
        }

        Assert.Equal(720, seen);
        Assert.Equal(expected, Text(index.Take(events).Take(events.Reverse()).Find(id)!)); // each one three times by now
        var job = index.Find(id)!;
        Assert.Equal((JobState.Dead, 1, 2), (job.State, job.Retries, job.AttemptCount));
        Assert.Equal([JobState.Retrying, JobState.Dead], job.Attempts.Select(attempt => attempt.State));
        Assert.Equal(["jobs@one", "jobs@two"], job.Attempts.Select(attempt => attempt.Worker));
    }

    [Fact]
    public void The_trace_is_kept_whatever_else_events_say()
    {
        const string Trace = "0af7651916cd43dd8448eb211c80319c";
        foreach (var odd in new[] { "\"\"", "7", "null", $"\"{Trace[1..]}\"", $"\"{Trace}0\"", "\"0af7651916cd43dd8448eb211c80319g\"", "\"00000000000000000000000000000000\"" })
        {
            Assert.Null(index.Take(Of("task-received", 1, $"\"uuid\":\"{id}\",\"trace_id\":{odd}")).Find(id)!.TraceId);
        }

        index.Take(Of("task-received", 2, $"\"uuid\":\"{id}\",\"trace_id\":\"{Trace}\""), Received(id, 3), Failed(id, 4));

        Assert.Equal(Trace, index.Find(id)!.TraceId);
    }

    [Fact]
    public void An_older_state_only_fills_what_is_missing()
    {
        index.Take(Succeeded(id, 5));
        Assert.Equal((JobState.Succeeded, null), (index.Find(id)!.State, index.Find(id)!.Task));

        index.Take(Received(id, 1), Started(id, 2));

        Assert.Equal((JobState.Succeeded, "news.refresh"), (index.Find(id)!.State, index.Find(id)!.Task));
        Assert.Single(index.Find(id)!.Attempts);
    }

    [Theory]
    [InlineData("task-sent", JobState.Queued)]
    [InlineData("task-received", JobState.Queued)]
    [InlineData("task-started", JobState.Running)]
    [InlineData("task-progress", JobState.Running)]
    [InlineData("task-succeeded", JobState.Succeeded)]
    [InlineData("task-failed", JobState.Dead)]
    [InlineData("task-retried", JobState.Retrying)]
    [InlineData("task-revoked", JobState.Revoked)]
    [InlineData("task-rejected", JobState.Dead)]
    [InlineData("task-cancelled", JobState.Queued)]
    public void Each_event_has_its_state(string type, JobState state) => Assert.Equal(state, index.Take(Of(type, 1, $"\"uuid\":\"{id}\"")).Find(id)!.State);

    [Fact]
    public void A_job_that_expired_is_told_from_one_that_was_revoked()
    {
        var other = Id(1);
        index.Take(
            Of("task-revoked", 1, $"\"uuid\":\"{id}\",\"terminated\":false,\"signum\":null,\"expired\":true"),
            Of("task-revoked", 1, $"\"uuid\":\"{other}\",\"terminated\":true,\"signum\":\"SIGTERM\",\"expired\":false"));

        Assert.Equal((JobState.Expired, JobState.Revoked), (index.Find(id)!.State, index.Find(other)!.State));
        Assert.Empty(index.Find(id)!.Attempts);
        Assert.Equal(At(1), index.Find(id)!.EndedAt);
    }

    [Theory]
    [InlineData("task-failed", "task-succeeded", JobState.Succeeded)]
    [InlineData("task-succeeded", "task-failed", JobState.Succeeded)]
    [InlineData("task-revoked", "task-started", JobState.Revoked)]
    [InlineData("task-started", "task-rejected", JobState.Running)]
    [InlineData("task-rejected", "task-received", JobState.Queued)]
    [InlineData("task-failed", "task-progress", JobState.Dead)]
    public void A_state_of_a_lower_rank_never_replaces_one_of_a_higher(string first, string second, JobState state) =>
        Assert.Equal(state, index.Take(Of(first, 1, $"\"uuid\":\"{id}\""), Of(second, 2, $"\"uuid\":\"{id}\"")).Find(id)!.State);

    [Fact]
    public void A_retry_begins_the_job_anew_and_a_late_event_of_before_does_not()
    {
        index.Take(Received(id, 1), Retried(id, 3));
        Assert.Equal(JobState.Retrying, index.Find(id)!.State);

        index.Take(Started(id, 2)); // late
        Assert.Equal(JobState.Retrying, index.Find(id)!.State);

        index.Take(Received(id, 4, retries: 1));
        Assert.Equal(JobState.Queued, index.Find(id)!.State);
    }

    [Fact]
    public void The_clock_of_a_worker_decides_before_its_time()
    {
        // The worker's wall clock was set back between the two.
        index.Take(Retried(id, 100, clock: 7), Started(id, 40, clock: 8));
        Assert.Equal(JobState.Running, index.Find(id)!.State);

        // The clocks of two workers say nothing of each other.
        index.Take(Retried(id, 200, worker: "jobs@two", clock: 1));
        Assert.Equal(JobState.Retrying, index.Find(id)!.State);
    }

    [Fact]
    public void An_interrupted_job_has_two_attempts_of_the_same_number()
    {
        index.Take(Received(id, 1), Started(id, 2), Of("task-cancelled", 3, $"\"uuid\":\"{id}\""), Received(id, 4, worker: "jobs@two"), Started(id, 5, worker: "jobs@two"));

        var job = index.Find(id)!;

        Assert.Equal((JobState.Running, "jobs@two"), (job.State, job.Worker));
        Assert.Equal([(0, JobState.Retrying), (0, JobState.Running)], job.Attempts.Select(attempt => (attempt.Retry!.Value, attempt.State)));
    }

    [Fact]
    public void A_job_with_very_many_attempts_keeps_the_first_and_the_last()
    {
        for (var i = 0; i < 1000; i++)
        {
            index.Take(Received(id, i * 10, retries: i), Retried(id, (i * 10) + 1));
        }

        var job = index.Find(id)!;

        Assert.Equal((1000, 32, 999), (job.AttemptCount, job.Attempts.Count, job.Retries));
        Assert.Equal([0, .. Enumerable.Range(969, 31)], job.Attempts.Select(attempt => attempt.Retry!.Value));
    }

    [Fact]
    public void Relatives_are_known()
    {
        var (child, grandchild) = (Id(1), Id(2));
        index.Take(Received(id, 1), Received(child, 2, root: id, parent: id), Received(grandchild, 3, root: id, parent: child));

        Assert.Equal((null, null), (index.Find(id)!.RootId, index.Find(id)!.ParentId));
        Assert.Equal([child], index.Find(id)!.Children);
        Assert.Equal((id, child), (index.Find(grandchild)!.RootId, index.Find(grandchild)!.ParentId));
        Assert.Empty(index.Find(grandchild)!.Children);
    }

    [Fact]
    public void What_python_sends_is_read()
    {
        var python = "1feeb429-0000-4000-8000-00805f9b34fb";
        index.Take(
            $$"""{"hostname":"gen1@host","utcoffset":-2,"pid":1,"clock":1,"uuid":"{{python}}","name":"tasks.add","args":"(2, 2)","kwargs":"{}","retries":0,"eta":"2026-11-20T12:00:03.5","expires":"2026-11-20T14:00:09+02:00","root_id":"{{python}}","parent_id":null,"queue":"celery","exchange":"","routing_key":"celery","timestamp":{{Start.ToUnixTimeSeconds()}}.25,"type":"task-sent"}""",
            $$"""[{"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":4,"uuid":"{{python}}","name":"tasks.add","args":"(2, 2)","kwargs":"{}","root_id":"{{python}}","parent_id":null,"retries":0,"eta":null,"expires":null,"timestamp":{{Start.ToUnixTimeSeconds()}}.4906254,"type":"task-received"},{"hostname":"w1@host","utcoffset":0,"pid":8227,"clock":5,"uuid":"{{python}}","timestamp":{{Start.ToUnixTimeSeconds()}}.5,"type":"task-started"}]""",
            Failed(python, 1, "ValueError('bad', 42)", Python, "w1@host"));

        var job = index.Find(python)!;

        Assert.Equal(("tasks.add", "celery", "(2, 2)", "w1@host", JobState.Dead), (job.Task, job.Queue, job.Arguments, job.Worker, job.State));
        Assert.Equal((At(0.25), At(3.5), At(9)), (job.EnqueuedAt, job.Eta, job.Expires));
        Assert.Equal(("ValueError", "'bad', 42", Python), (job.Error!.Type, job.Error.Message, job.Error.Stack));
    }

    static DateTimeOffset At(double seconds) => Start.AddSeconds(seconds);

    static string Text(JobInfo job) => System.Text.Json.JsonSerializer.Serialize(job, InspectionJson.Default.JobInfo);

    static IEnumerable<string[]> Permutations(string[] items)
    {
        if (items.Length < 2)
        {
            yield return items;
            yield break;
        }

        for (var i = 0; i < items.Length; i++)
        {
            foreach (var rest in Permutations([.. items[..i], .. items[(i + 1)..]]))
            {
                yield return [items[i], .. rest];
            }
        }
    }
}
