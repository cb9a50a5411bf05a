using Xunit;

namespace Jobs.Contracts;

/// <summary>A call returns its value: results, states and failures.</summary>
public abstract partial class HostContract
{
    static readonly TimeSpan patience = Wait.Deadline;

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_call_returns_what_the_task_returned()
    {
        var dispatcher = await StartAsync();

        Assert.Equal(5, await dispatcher.CallAsync(ContractJobs.Add(2, 3), patience, Cancellation));
        Assert.Equal(new Headline("Rain again", 2), await dispatcher.CallAsync(ContractJobs.Headline("Rain again"), patience, Cancellation));
        await dispatcher.CallAsync(ContractJobs.Note("nothing"), patience, Cancellation);
        Assert.Equal(7, await dispatcher.CallAsync(new Job<int>("contract.add", [3, 4]), patience, Cancellation));
    }

    [Fact]
    public async Task A_result_is_read_as_often_as_the_handle_is_asked()
    {
        var dispatcher = await StartAsync();

        var handle = await dispatcher.EnqueueAsync(ContractJobs.Add(2, 3) with { Result = true }, Cancellation);

        Assert.Equal(5, await handle.GetResultAsync(patience, Cancellation));
        Assert.Equal(5, await handle.GetResultAsync(patience, Cancellation));
        var status = await handle.GetStatusAsync(Cancellation);
        Assert.Equal((JobState.Succeeded, 1), (status.State, status.Attempts));
        Assert.True(status.EndedAt >= status.EnqueuedAt);
    }

    [Fact]
    public async Task A_result_that_nobody_asked_for_says_how_to_ask()
    {
        var dispatcher = await StartAsync();
        var handle = await dispatcher.EnqueueAsync(ContractJobs.Add(2, 3), Cancellation);

        var thrown = await Assert.ThrowsAsync<InvalidOperationException>(() => handle.GetResultAsync(patience, Cancellation));

        Assert.Contains("with { Result = true }", thrown.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidOperationException>(() => handle.GetStatusAsync(Cancellation));
    }

    [Fact]
    public async Task Many_calls_at_once_each_get_their_own_result()
    {
        var dispatcher = await StartAsync();

        var handles = await dispatcher.EnqueueManyAsync(Enumerable.Range(0, 300).Select(i => ContractJobs.Add(i, i) with { Result = true }), Cancellation);

        for (var i = 0; i < handles.Count; i++)
        {
            Assert.Equal(2 * i, await handles[i].GetResultAsync(patience, Cancellation));
        }
    }

    [Fact]
    public async Task A_failure_reaches_the_caller_with_type_message_and_stack()
    {
        var dispatcher = await StartAsync();

        var thrown = await Assert.ThrowsAsync<JobFailedException>(() => dispatcher.CallAsync(ContractJobs.Fail("out of ink"), patience, Cancellation));

        Assert.Equal(("System.InvalidOperationException", "out of ink"), (thrown.Error!.Type, thrown.Error.Message));
        Assert.Contains(nameof(ContractTasks.Fail), thrown.Error.Stack, StringComparison.Ordinal);
        Assert.Equal(JobState.Dead, thrown.Status.State);
    }

    [Fact]
    public async Task A_job_that_no_worker_knows_fails_for_its_caller()
    {
        var dispatcher = await StartAsync();

        var thrown = await Assert.ThrowsAsync<JobFailedException>(() => dispatcher.CallAsync(new Job<int>("contract.nothing"), patience, Cancellation));

        Assert.Equal("celery.exceptions.NotRegistered", thrown.Error!.Type);
    }

    [Fact]
    public async Task A_job_that_fails_at_first_returns_in_the_end()
    {
        var dispatcher = await StartAsync();

        Assert.Equal("attempt 3", await dispatcher.CallAsync(ContractJobs.Flaky(2), patience, Cancellation));
    }

    [Fact]
    public async Task An_expired_job_ends_for_its_caller()
    {
        var sender = await StartAsync(worker: false);
        var handle = await sender.EnqueueAsync(ContractJobs.Add(1, 1) with { Result = true, Expires = TimeSpan.FromMilliseconds(1) }, Cancellation);
        await Wait.PauseAsync(); // longer than the job lives
        await StartAsync();

        var thrown = await Assert.ThrowsAsync<JobFailedException>(() => handle.GetResultAsync(patience, Cancellation));

        Assert.Equal(JobState.Expired, thrown.Status.State);
        Assert.Empty(Bench.Runs);
    }

    [Fact]
    public async Task A_job_is_queued_until_it_runs_and_says_how_far_it_is()
    {
        var sender = await StartAsync(worker: false);
        var handle = await sender.EnqueueAsync(ContractJobs.Wait(), Cancellation); // its task has TrackResult
        Assert.Equal(JobState.Queued, (await handle.GetStatusAsync(Cancellation)).State);
        await StartAsync();
        await Bench.Begun.Task.Soon();

        JobStatus status = new() { Id = handle.Id };
        await Wait.Until(async () => (status = await handle.GetStatusAsync(Cancellation)).Progress is not null);

        Assert.Equal((JobState.Running, 0.4, "nearly half"), (status.State, status.Progress!.Value, status.ProgressText));
        Assert.NotNull(status.StartedAt);
        Bench.Release.SetResult();
        Assert.Equal("done", await handle.GetResultAsync(patience, Cancellation));
    }

    [Fact]
    public async Task A_wait_ends_after_its_time_and_the_job_goes_on()
    {
        var dispatcher = await StartAsync();
        var handle = await dispatcher.EnqueueAsync(ContractJobs.Wait(), Cancellation);
        await Bench.Begun.Task.Soon();

        await Assert.ThrowsAsync<TimeoutException>(() => handle.GetResultAsync(TimeSpan.FromMilliseconds(50), Cancellation));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => handle.GetResultAsync(TimeSpan.Zero, Cancellation));
        using var cancellation = new CancellationTokenSource();
        var cancelled = handle.GetResultAsync(patience, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);

        Bench.Release.SetResult();
        Assert.Equal("done", await handle.GetResultAsync(patience, Cancellation));
    }

    [Fact]
    public async Task A_call_that_waits_when_its_process_stops_fails()
    {
        var dispatcher = await StartAsync(worker: false);
        var handle = await dispatcher.EnqueueAsync(ContractJobs.Wait(), Cancellation);
        var result = handle.GetResultAsync(TimeSpan.FromDays(1000), Cancellation);

        await StopAsync(dispatcher);

        await Assert.ThrowsAsync<ObjectDisposedException>(() => result.Soon());
    }

    [Fact]
    public async Task A_result_that_is_too_large_is_a_failure_for_the_caller_and_none_for_the_job()
    {
        var dispatcher = await StartAsync(configure: options => options.MaxResultBytes = 100);

        var thrown = await Assert.ThrowsAsync<JobFailedException>(() => dispatcher.CallAsync(ContractJobs.Large(99), patience, Cancellation));

        Assert.Contains("MaxResultBytes (100)", thrown.Message, StringComparison.Ordinal);
        Assert.Equal(98, (await dispatcher.CallAsync(ContractJobs.Large(98), patience, Cancellation)).Length);
        Assert.DoesNotContain(Logs.All, line => line.Text.Contains("dead-letter", StringComparison.OrdinalIgnoreCase));
    }
}
