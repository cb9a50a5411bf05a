using Jobs.Contracts;
using Jobs.Tests.Working;
using Xunit;

namespace Jobs.Tests.Dispatching;

/// <summary>Many jobs in one call.</summary>
public sealed class EnqueueManyTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3_000)]
    public async Task Handles_come_in_the_order_of_the_jobs(int count)
    {
        await using var host = JobsHost.Create(_ => { });
        var handles = await host.Dispatcher.EnqueueManyAsync(Enumerable.Range(0, count).Select(i => new Job("t", [i]) { Id = $"{i}" }), TestContext.Current.CancellationToken);

        Assert.Equal(Enumerable.Range(0, count).Select(i => $"{i}"), handles.Select(h => h.Id));
        Assert.Equal(count, host.Transport.Published.Count);
    }

    [Fact]
    public async Task Failures_are_reported_per_job_and_the_others_are_enqueued()
    {
        await using var host = JobsHost.Create(_ => { });
        host.Transport.Fault = (step, _, message) => step == FaultStep.Publish && message.CorrelationId == "2" ? new JobPublishException("2", true, true, "gone") : null;
        var jobs = new[] { new Job("t") { Id = "0" }, new Job("t") { Id = "1", Priority = 99 }, new Job("t") { Id = "2" }, new Job("t") { Id = "3" } };

        var thrown = await Assert.ThrowsAsync<EnqueueManyException>(() => host.Dispatcher.EnqueueManyAsync(jobs, TestContext.Current.CancellationToken));

        Assert.Equal(["0", null, null, "3"], thrown.Handles.Select(h => h?.Id));
        Assert.Equal([1, 2], thrown.Failures.Keys);
        Assert.IsType<ArgumentException>(thrown.Failures[1]);
        Assert.True(Assert.IsType<JobPublishException>(thrown.Failures[2]).MaybeEnqueued);
        Assert.StartsWith("2 of 4 jobs were not enqueued; the first: Job 't' has priority 99", thrown.Message, StringComparison.Ordinal);
        Assert.False(thrown.IsTransient); // the wrong priority stays wrong
        Assert.Equal(["0", "3"], host.Transport.Published.Select(p => p.Message.CorrelationId));
    }

    [Fact]
    public async Task Failures_that_may_pass_are_transient_together()
    {
        await using var host = JobsHost.Create(_ => { });
        host.Transport.Fault = (_, _, message) => new JobPublishException(message.CorrelationId!, false, true, "gone");
        var thrown = await Assert.ThrowsAsync<EnqueueManyException>(() => host.Dispatcher.EnqueueManyAsync([new("t"), new("t")], TestContext.Current.CancellationToken));
        Assert.True(thrown.IsTransient);
    }

    [Fact]
    public async Task A_cancelled_call_is_cancelled_as_a_whole()
    {
        await using var host = JobsHost.Create(_ => { });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => host.Dispatcher.EnqueueManyAsync([new("t"), new("t")], new CancellationToken(canceled: true)));
        Assert.Empty(host.Transport.Published);
    }
}
