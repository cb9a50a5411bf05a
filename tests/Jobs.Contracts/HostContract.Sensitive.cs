using Xunit;

namespace Jobs.Contracts;

/// <summary>What viewers must not see of a job's arguments and result.</summary>
public abstract partial class HostContract
{
    const string Pin = "§4711§";
    const string Key = "§key§";

    [Fact]
    public async Task The_arguments_of_a_failed_job_are_shown_without_what_is_sensitive()
    {
        var dispatcher = await StartAsync();
        var job = await dispatcher.EnqueueAsync(ContractJobs.Open("ann", Pin, new("ann", Key), isWrong: true), TestContext.Current.CancellationToken);
        var byName = await dispatcher.EnqueueAsync(
            new Job("contract.open", keywordArguments: new Dictionary<string, object?> { ["name"] = "ann", ["pin"] = Pin, ["apiKey"] = Key }),
            TestContext.Current.CancellationToken);

        JobInfo? info = null, infoByName = null;
        await Wait.Until(async () => (info = await Inspector(dispatcher).GetJobAsync(job.Id, TestContext.Current.CancellationToken)).State == JobState.Dead);
        await Wait.Until(async () => (infoByName = await Inspector(dispatcher).GetJobAsync(byName.Id, TestContext.Current.CancellationToken)).State == JobState.Dead);

        Assert.Equal(("('ann', '***', {'Owner': 'ann', 'ApiKey': '***'}, True)", "{}"), (info!.Arguments, info.NamedArguments));
        Assert.Equal(("()", "{'name': 'ann', 'pin': '***', 'apiKey': '***'}"), (infoByName!.Arguments, infoByName.NamedArguments));
        Assert.DoesNotContain(Bench.Runs, run => run.Argument != Pin); // the task itself is given the value
    }

    [Fact]
    public async Task With_all_events_nothing_sensitive_is_told_but_what_the_caller_shows()
    {
        var dispatcher = await StartAsync(configure: options => (options.Events, options.SendSentEvents) = (EventLevel.All, true));
        await using var viewer = await Viewer.StartAsync(TransportOf(dispatcher));

        var job = await dispatcher.EnqueueAsync(
            ContractJobs.Open("ann", Pin, new("ann", Key), isWrong: false) with { Result = true }, TestContext.Current.CancellationToken);
        Assert.Equal(new("ann", Key), await job.GetResultAsync(Wait.Deadline, TestContext.Current.CancellationToken));
        await Wait.Until(() => viewer.TypesOf(job.Id) is { Length: 4 });

        const string Arguments = "('ann', '***', {'Owner': 'ann', 'ApiKey': '***'}, False)";
        const string Result = "{'Owner': 'ann', 'ApiKey': '***'}";
        Assert.Equal([Arguments, Arguments], viewer.OfJob(job.Id).Where(e => e.TryGetProperty("args", out _)).Select(e => e.GetProperty("args").GetString()));
        Assert.Equal(Result, viewer.OfJob(job.Id).Single(e => Viewer.Type(e) == "task-succeeded").GetProperty("result").GetString());
        await Wait.Until(async () => (await Inspector(dispatcher).GetJobAsync(job.Id, TestContext.Current.CancellationToken)).Result == Result);

        // Celery's way: the caller says what is shown.
        var shown = TestMessage.Of(
            task: "contract.open", body: $$"""[["ann","{{Pin}}"],{},{}]""", headers: [("argsrepr", "('a pin',)"), ("kwargsrepr", "{'token': 'x'}")]);
        await TransportOf(dispatcher).PublishAsync([new(Queue, shown)], Wait.Deadline, TestContext.Current.CancellationToken);
        await Wait.Until(() => viewer.TypesOf(shown.CorrelationId!).Contains("task-failed"));
        Assert.Equal(["('a pin',)", "{'token': 'x'}"], Texts(viewer.OfJob(shown.CorrelationId!)[0], "args", "kwargs"));
        Assert.DoesNotContain(viewer.All, e => e.Event.GetRawText().Contains("4711", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_result_that_the_transport_keeps_is_shown_without_what_is_sensitive()
    {
        var dispatcher = await StartAsync();
        var job = await dispatcher.EnqueueAsync(
            ContractJobs.Open("ann", Pin, new("ann", Key), isWrong: false) with { Result = true }, TestContext.Current.CancellationToken);
        Assert.Equal(new("ann", Key), await job.GetResultAsync(Wait.Deadline, TestContext.Current.CancellationToken));

        var info = await Inspector(dispatcher).GetJobAsync(job.Id, TestContext.Current.CancellationToken);

        Assert.Equal(Transport(dispatcher).Capabilities.HasFlag(Jobs.Transport.TransportCapabilities.ResultsById) ? "{'Owner': 'ann', 'ApiKey': '***'}" : null, info.Result);
    }
}
