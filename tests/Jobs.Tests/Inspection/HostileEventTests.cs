using System.Text;
using Jobs.Inspection;
using Xunit;
using static Jobs.Tests.Inspection.Events;

namespace Jobs.Tests.Inspection;

/// <summary>Anybody may write to the exchange of events: nothing in an entry throws, and it costs at most itself.</summary>
public sealed class HostileEventTests
{
    readonly JobIndex index = new(1000, long.MaxValue);
    readonly WorkerBook workers = new();
    readonly CountDeltas deltas = new();
    readonly Throughput throughput = new();
    readonly QueueRates rates = new();
    readonly string id = Id(0);

    public static TheoryData<string> Unreadable =>
    [
        "", " ", "{", "[", "nonsense", "\u0000", "[{}", "{\"type\":", "[[[[", "{\"type\":\"task-failed\",}", "{\"timestamp\":NaN}", "'", "﻿{}",
        new string('[', 5000), "{\"a\":" + new string('[', 5000),
    ];

    public static TheoryData<string> Harmless =>
    [
        "null", "7", "\"text\"", "true", "[]", "{}", "[null,7,\"x\",[],{}]", "{\"type\":null}", "{\"type\":7,\"uuid\":[]}", "{\"type\":{\"type\":\"task-failed\"}}",
        """{"type":"task-failed"}""",
        """{"type":"task-failed","uuid":"x"}""",
        """{"type":"task-failed","uuid":"","timestamp":1}""",
        """{"type":"task-failed","uuid":7,"timestamp":1}""",
        """{"type":"task-failed","uuid":"x","timestamp":"1"}""",
        """{"type":"task-failed","uuid":"x","timestamp":-1}""",
        """{"type":"task-failed","uuid":"x","timestamp":1e300}""",
        """{"type":"task-failed","uuid":"x","timestamp":1e999}""",
        """{"type":"task-failed","uuid":"\ud800","timestamp":5}""",
        """{"type":"nothing-we-know","uuid":"x","timestamp":5}""",
        """{"type":"worker-online","hostname":null,"timestamp":5}""",
        """{"type":"worker-online","hostname":7,"timestamp":5}""",
        """{"type":"jobs-counts","hostname":"w","timestamp":5,"counts":{"a":[1,2,{"b":3}]}}""",
    ];

    [Theory]
    [MemberData(nameof(Unreadable))]
    public void What_is_no_json_is_passed_over(string entry) => Assert.False(Take(Encoding.UTF8.GetBytes(entry)));

    [Theory]
    [MemberData(nameof(Harmless))]
    public void What_is_no_event_of_a_job_or_worker_changes_nothing(string entry)
    {
        Assert.True(Take(Encoding.UTF8.GetBytes(entry)));
        Assert.Equal(0, index.Count);
        Assert.Empty(workers.List(DateTimeOffset.UnixEpoch.Ticks));
    }

    [Fact]
    public void The_events_before_a_broken_one_count()
    {
        var (good, bad) = (Received(id, 1), Started(id, 2)[..^5]);

        Assert.False(Take(Bytes($"[{good},{bad}").Span));

        Assert.Equal(JobState.Queued, index.Find(id)!.State);
    }

    [Theory]
    [InlineData("\"retries\":2.0", 2)]
    [InlineData("\"retries\":2.9", 2)]
    [InlineData("\"retries\":\"2\"", 0)]
    [InlineData("\"retries\":-4", 0)]
    [InlineData("\"retries\":1e30", 0)]
    [InlineData("\"retries\":99999999999", int.MaxValue)]
    [InlineData("\"retries\":null", 0)]
    [InlineData("\"retries\":[3]", 0)]
    [InlineData("\"retries\":3,\"retries\":4", 4)]
    public void Numbers_may_be_anything(string field, int retries) =>
        Assert.Equal(retries, index.Take(Of("task-received", 1, $"\"uuid\":\"{id}\",{field}")).Find(id)!.Retries);

    [Fact]
    public void Fields_of_wrong_types_count_as_missing_and_arguments_are_shown_as_they_are()
    {
        index.Take(Of("task-succeeded", 1, $$"""
            "uuid":"{{id}}","name":["x"],"queue":7,"args":[1,{"a":"b"}],"kwargs":{"deep":[[]]},"result":12.5,"runtime":"long","root_id":{"a":1},"parent_id":true,"eta":"soon","expires":9,"exception":[],"traceback":3
            """));

        var job = index.Find(id)!;

        Assert.Equal((null, null, "[1,{\"a\":\"b\"}]", "{\"deep\":[[]]}", "12.5"), (job.Task, job.Queue, job.Arguments, job.NamedArguments, job.Result));
        Assert.Equal((JobState.Succeeded, null, null, null, null, null), (job.State, job.RootId, job.ParentId, job.Eta, job.Expires, job.Runtime));
    }

    [Fact]
    public void A_traceback_of_a_megabyte_is_cut_and_both_its_ends_are_kept()
    {
        var lines = new StringBuilder("Traceback (most recent call last):\n");
        for (var i = 0; lines.Length < 1 << 20; i++)
        {
            lines.Append(System.Globalization.CultureInfo.InvariantCulture, $"  File \"/app/ä.py\", line {i}, in deep\n    deep()\n");
        }

        lines.Append("RecursionError: too deep ü");
        index.Take(Failed(id, 1, $"RecursionError('{new string('ä', 100_000)}')", lines.ToString()));

        var error = index.Find(id)!.Error!;

        Assert.Equal("RecursionError", error.Type);
        Assert.InRange(Encoding.UTF8.GetByteCount(error.Message), 1000, 2048);
        Assert.InRange(Encoding.UTF8.GetByteCount(error.Stack!), 1900, 2048);
        Assert.StartsWith("Traceback (most", error.Stack, StringComparison.Ordinal);
        Assert.EndsWith("too deep ü", error.Stack, StringComparison.Ordinal);
        Assert.DoesNotContain('\uFFFD', error.Stack! + error.Message);
        Assert.Contains("line", Assert.Single(index.Failures(JobFilter.Of(new()))).Frame, StringComparison.Ordinal); // the last one, which the cut text has too
        Assert.InRange(index.Bytes, 0, 8000);
    }

    [Fact]
    public void Ids_that_are_no_uuids_are_ids_too()
    {
        string[] ids = ["job-1", "ÄÖÜ", new string('x', 300), id.ToUpperInvariant(), id, $"{{{id}}}", Guid.Empty.ToString(), "1"];

        index.Take(ids.Select(one => Started(one, 1)));

        Assert.Equal(ids.Length, index.Count);
        Assert.All(ids, one => Assert.Equal(one, index.Find(one)!.Id));
    }

    [Fact]
    public void A_flood_of_names_and_workers_is_bounded()
    {
        var (limited, scratch) = (new JobIndex(50, long.MaxValue), new JobEvent());
        for (var i = 0; i < 25_000; i++)
        {
            limited.Take(Received(Id(i), i, task: $"task.{i}", worker: $"w{i}"));
            EventReader.Read(Bytes(Of("worker-online", i, "\"freq\":2.0", $"w{i}")).Span, scratch, news => workers.Apply(news, Start.Ticks));
        }

        Assert.Equal(50, limited.Count);
        Assert.InRange(workers.List(Start.Ticks).Count, 5_000, 10_000);
    }

    [Fact]
    public void Random_bytes_and_random_damage_never_throw()
    {
        var random = new Random(11);
        string[] events =
        [
            Received(id, 1), Failed(id, 2),
            Of("jobs-counts", 2, $$"""{"since":{{Start.ToUnixTimeSeconds()}},"counts":[{"task":"t","queue":"q","received":3,"started":2,"succeeded":1,"runtime":0.5,"wait":1.5}]""".TrimStart('{')),
            Of("worker-heartbeat", 3, """ "freq":2.0,"active":1,"loadavg":[0.1,0.2,0.3],"queues":["a","b"] """),
        ];
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = Encoding.UTF8.GetBytes($"[{events[i % 4]},{events[(i + 1) % 4]}]");
            for (var damage = random.Next(1, 6); damage > 0; damage--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            Take(bytes);
        }

        _ = index.Search(JobFilter.Of(new()), null, 1000);
        _ = index.Failures(JobFilter.Of(new()));
        _ = workers.List(Start.Ticks);
        _ = throughput.Read(Start.AddSeconds(3).Ticks);
    }

    bool Take(ReadOnlySpan<byte> entry) => EventReader.Read(entry, new(), news =>
    {
        workers.Apply(news, Start.Ticks);
        deltas.Apply(news, counts =>
        {
            rates.Add(counts, Start.Ticks);
            throughput.Add(counts, news.At, Start.AddSeconds(3).Ticks);
        });
        throughput.Add(news, "t", null, Start.AddSeconds(3).Ticks);
        if (news.Kind != EventKind.Other && !news.IsOfWorker)
        {
            index.Apply(news);
        }
    });
}
