using System.Text;
using Jobs.Beat;
using Jobs.Registry;
using Jobs.Tests.Generators;
using Jobs.Tests.Working;
using Xunit;

namespace Jobs.Tests.Wire;

/// <summary>What cannot be written is the caller's mistake, and said so.</summary>
public sealed class UnwritableArgumentTests
{
    public static TheoryData<string, string, Type> Mistakes => new()
    {
        { "type", "type System.RuntimeType", typeof(NotSupportedException) },
        { "getter", "type Jobs.Tests.Wire.UnwritableArgumentTests+Broken cannot be written as JSON: broken getter", typeof(InvalidTimeZoneException) },
        { "cycle of objects", "type Jobs.Tests.Wire.UnwritableArgumentTests+Node", typeof(System.Text.Json.JsonException) },
        { "cycle of lists", "InvalidOperationException", typeof(InvalidOperationException) },
        { "keyword", "type System.RuntimeType", typeof(NotSupportedException) },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public async Task The_exception_names_task_type_and_remedy(string mistake, string message, Type cause)
    {
        await using var host = JobsHost.Create(_ => { });
        var job = Job(mistake);

        var thrown = await Assert.ThrowsAsync<ArgumentException>(() => host.EnqueueAsync(job));

        Assert.StartsWith($"Job '{job.TaskName}' has arguments that cannot be written: ", thrown.Message, StringComparison.Ordinal);
        Assert.Contains(message, thrown.Message, StringComparison.Ordinal);
        Assert.Contains("UseJsonContext", thrown.Message, StringComparison.Ordinal);
        Assert.Equal(cause, thrown.InnerException!.GetType());
        Assert.Empty(host.Transport.Published);
    }

    [Fact]
    public void A_schedule_with_such_arguments_is_refused_when_it_is_set() =>
        Assert.Throws<ArgumentException>(() => StoredSchedule.Of(Job("getter"), new(new TaskRegistry([]), new(), new Jobs.Transport.MissingTransport())));

    [Fact]
    public void What_a_sequence_throws_is_thrown_where_the_job_is_made()
    {
        Assert.Throws<InvalidTimeZoneException>(() => new Job("t", [BrokenSequence()]));
        Assert.Throws<InvalidTimeZoneException>(() => EveryTypeJobs.Lists([], [], [], [], BrokenSequence(), [], [], [], new HashSet<int>(), new HashSet<int>(), [], null));
    }

    /// <summary>A getter may call anything; also this dispatcher.</summary>
    [Fact]
    public async Task A_getter_that_enqueues_a_job_spoils_neither()
    {
        await using var host = JobsHost.Create(_ => { });
        await host.EnqueueAsync(new Job("outer", ["before", new Enqueues(host), "after"]) { Id = "outer" });

        Assert.StartsWith("""[["before",{"Id":"inner"},"after"],{},{""", Body(host, "outer"), StringComparison.Ordinal);
        Assert.StartsWith("""[["x"],{},{""", Body(host, "inner"), StringComparison.Ordinal);
    }

    static string Body(JobsHost host, string id) => Encoding.UTF8.GetString(Assert.Single(host.Published(id)).Message.Body.Span);

    static Job Job(string mistake)
    {
        var self = new List<object?>();
        self.Add(self);
        return mistake switch
        {
            "type" => new("t", [1, typeof(int)]),
            "getter" => new("t", [new Broken()]),
            "cycle of objects" => new("t", [new Node()]),
            "cycle of lists" => new("t", [self]),
            _ => new("t", null, new Dictionary<string, object?> { ["kind"] = typeof(int) }),
        };
    }

    static IEnumerable<Guid> BrokenSequence()
    {
        yield return default;
        throw new InvalidTimeZoneException("broken sequence.");
    }

    sealed class Broken
    {
        public string Name => throw new InvalidTimeZoneException("broken getter");
    }

    sealed class Node
    {
        public Node Next => this;
    }

    sealed class Enqueues(JobsHost host)
    {
        public string Id
        {
            get
            {
                var enqueued = host.EnqueueAsync(new Job("inner", ["x"]) { Id = "inner" });
                Assert.True(enqueued.IsCompletedSuccessfully); // in memory: nothing to wait for
                return "inner";
            }
        }
    }
}
