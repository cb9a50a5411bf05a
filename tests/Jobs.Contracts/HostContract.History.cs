using Xunit;

namespace Jobs.Contracts;

/// <summary>What <see cref="JobInspector"/> tells of jobs and workers, from the events that workers send.</summary>
public abstract partial class HostContract
{
    [Fact]
    public async Task A_failed_job_is_found_with_its_attempts_arguments_and_error()
    {
        var dispatcher = await StartAsync();
        var id = await dispatcher.EnqueueAsync(ContractJobs.Flaky(1));
        await Wait.Until(() => Bench.Runs.Count(run => run.Id == id.Id) == 2);

        JobInfo? job = null;
        await Wait.Until(async () => (job = await Inspector(dispatcher).GetJobAsync(id.Id, TestContext.Current.CancellationToken)).Attempts.Count > 0);

        Assert.Equal(("contract.flaky", Queue), (job!.Task, job.Queue));
        Assert.Contains("attempt 1", job.Attempts[0].Error!.Message, StringComparison.Ordinal);
        await Wait.Until(async () => (await Inspector(dispatcher).FailuresAsync(new() { Task = "contract.flaky" }, TestContext.Current.CancellationToken)).Groups
            .Any(group => group.Type?.EndsWith(nameof(TimeoutException), StringComparison.Ordinal) == true));
    }

    [Fact]
    public async Task A_worker_is_listed_while_it_lives()
    {
        var dispatcher = await StartAsync();

        WorkerInfo? worker = null;
        await Wait.Until(async () =>
            (worker = (await Inspector(dispatcher).WorkersAsync(TestContext.Current.CancellationToken)).SingleOrDefault(one => one.Queues.Contains(Queue))) is { IsAlive: true });

        Assert.Equal(4, worker!.Slots);
        Assert.Equal(Environment.ProcessId, worker.ProcessId);
    }
}
