using Jobs.Contracts;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>
/// A fault at each step between the messages that follow a job: each of them is written at least once, always with the
/// same id, and the job is not lost.
/// </summary>
public sealed class ChainCrashPointTests
{
    const string Body = """
        [[],{},{"callbacks":[{"task":"py.a","options":{"queue":"py"}},{"task":"py.b","options":{"queue":"py"}}],
                "errbacks":[{"task":"py.e","options":{"queue":"py","task_id":"e"}},{"task":"py.f","options":{"queue":"py","task_id":"f"}}],
                "chain":[{"task":"py.d","options":{"queue":"py","task_id":"d","reply_to":"caller"}},{"task":"py.c","options":{"queue":"py","task_id":"c"}}]}]
        """;

    static readonly string[] afterSuccess = ["c", DerivedId.Of("j", "callback", 0), DerivedId.Of("j", "callback", 1), "news of j"];
    static readonly string[] afterDeath = ["j", "record for keeper.jobs.dead", "e", "f", "news of j", "news of d"];

    public static TheoryData<bool, FaultStep, int> Faults()
    {
        var faults = new TheoryData<bool, FaultStep, int>();
        foreach (var step in (FaultStep[])[FaultStep.Publish, FaultStep.Published])
        {
            for (var i = 0; i < afterSuccess.Length; i++)
            {
                faults.Add(true, step, i);
            }

            for (var i = 0; i < afterDeath.Length; i++)
            {
                faults.Add(false, step, i);
            }
        }

        return faults;
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task What_follows_a_job_is_written_in_spite_of_a_fault_and_has_the_same_id_again(bool succeeds, FaultStep at, int position)
    {
        var task = succeeds ? TestTask.Returning("t") : TestTask.Throwing("t", () => new DeadJobException("no"));
        await using var host = await JobsHost.StartAsync(task);
        var publishes = 0;
        host.Transport.Fault = (step, _, _) => step == at && Interlocked.Increment(ref publishes) == position + 1 ? new IOException("broken") : null;

        await host.SendAsync(TestMessage.Of(id: "j", task: "t", body: Body) with { ReplyTo = "caller" });
        await host.AdvanceUntil(() => host.Verbs("j").Contains(FaultStep.Ack), TimeSpan.FromMilliseconds(100));

        Assert.Equal([FaultStep.Release, FaultStep.Ack], host.Verbs("j"));
        Assert.Equal(2, task.Runs);
        var expected = succeeds ? afterSuccess : afterDeath;
        var written = host.Transport.Published.OrderBy(p => p.Number).Select(Name).ToArray();
        Assert.Equal(expected.Order(StringComparer.Ordinal), written.Distinct().Order(StringComparer.Ordinal));
        Assert.All(written.CountBy(id => id), id => Assert.InRange(id.Value, 1, 2));
        Assert.Equal((expected.Length * 2) - (at == FaultStep.Publish ? 1 : 0), written.Length); // the one that was not written, once less
    }

    static string Name(PublishRecord publish) =>
        publish.Queue == "caller" ? $"news of {publish.Message.CorrelationId}"
        : publish.Queue.StartsWith("keeper.", StringComparison.Ordinal) ? $"record for {publish.Queue}"
        : publish.Message.CorrelationId!;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Without_a_fault_each_is_written_once(bool succeeds)
    {
        var task = succeeds ? TestTask.Returning("t") : TestTask.Throwing("t", () => new DeadJobException("no"));
        await using var host = await JobsHost.StartAsync(task);

        await host.SendAsync(TestMessage.Of(id: "j", task: "t", body: Body) with { ReplyTo = "caller" });
        await host.AckedAsync("j");

        Assert.Equal(succeeds ? afterSuccess.Length : afterDeath.Length, host.Transport.Published.Count);
        Assert.Equal(1, task.Runs);
    }

    [Fact]
    public async Task A_refused_link_fails_the_call_that_waits_for_the_end_of_the_chain()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("t"));
        host.Transport.Fault = (step, queue, message) => step == FaultStep.Publish && queue == "py" && message.CorrelationId == "c"
            ? new JobPublishException("c", maybeEnqueued: false, isTransient: false, "no such queue")
            : null;

        await host.SendAsync(TestMessage.Of(id: "j", task: "t", body: Body));
        await host.AckedAsync("j");

        var told = Assert.Single(host.Transport.Published, p => p.Queue == "caller");
        var status = ResultMessage.Read(told.Message.Body);
        Assert.Equal(("d", JobState.Dead), (status.Id, status.State));
        Assert.Contains("no such queue", status.Error!.Message, StringComparison.Ordinal);
    }
}
