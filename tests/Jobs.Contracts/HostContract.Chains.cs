using Xunit;

namespace Jobs.Contracts;

/// <summary>Jobs composed of jobs: chains, and what follows a success or a failure.</summary>
public abstract partial class HostContract
{
    static Step<int, int> Plus(int number) => new("contract.add", [number]);

    static Step<string> Tell(string note) => new("contract.failed", [note]);

    [Fact]
    public async Task A_chain_hands_each_result_to_the_next_job()
    {
        var dispatcher = await StartAsync();

        Assert.Equal(10, await dispatcher.CallAsync(ContractJobs.Add(1, 2).Then(Plus(3)).Then(Plus(4)), patience, Cancellation));
        Assert.Equal(["3", "6", "10"], Bench.Runs.Select(run => run.Argument));
    }

    [Fact]
    public async Task A_value_of_ones_own_type_goes_from_job_to_job()
    {
        var dispatcher = await StartAsync();

        var words = await dispatcher.CallAsync(ContractJobs.Headline("Rain in Spain").Then(new Step<Headline, int>("contract.words", [10])), patience, Cancellation);

        Assert.Equal(30, words);
    }

    [Fact]
    public async Task A_job_in_a_chain_takes_nothing_from_the_job_before_it()
    {
        var dispatcher = await StartAsync();

        Assert.Equal(9, await dispatcher.CallAsync(ContractJobs.Note("first").Then(ContractJobs.Add(4, 5)), patience, Cancellation));
        Assert.Equal(["first", "9"], Bench.Runs.Select(run => run.Argument));
    }

    [Fact]
    public async Task Chains_join_to_a_longer_chain()
    {
        var dispatcher = await StartAsync();
        var morning = ContractJobs.Add(1, 1).Then(Plus(1));
        var evening = ContractJobs.Add(5, 5).Then(Plus(1));

        Assert.Equal(11, await dispatcher.CallAsync(morning.Then(evening), patience, Cancellation));
        Assert.Equal(["2", "3", "10", "11"], Bench.Runs.Select(run => run.Argument));
    }

    [Fact]
    public async Task Many_chains_at_once_each_get_their_own_result()
    {
        var dispatcher = await StartAsync();
        var chains = Enumerable.Range(0, 50).Select(i => ContractJobs.Add(i, i).Then(Plus(1)) with { Result = true });

        var handles = await dispatcher.EnqueueManyAsync(chains, Cancellation);

        for (var i = 0; i < 50; i++)
        {
            Assert.Equal((2 * i) + 1, await handles[i].GetResultAsync(patience, Cancellation));
        }
    }

    [Fact]
    public async Task A_dead_link_ends_the_chain_and_fails_its_handle()
    {
        var dispatcher = await StartAsync();

        var thrown = await Assert.ThrowsAsync<JobFailedException>(() => dispatcher.CallAsync(
            ContractJobs.Add(1, 2).Then(ContractJobs.Fail("torn")).Then(Plus(1)).Then(Plus(2)), patience, Cancellation));

        Assert.Equal(("System.InvalidOperationException", "torn"), (thrown.Error!.Type, thrown.Error.Message));
        Assert.Equal(["3", "torn"], Bench.Runs.Select(run => run.Argument));
    }

    [Fact]
    public async Task An_expired_link_ends_the_chain_and_fails_its_handle()
    {
        var dispatcher = await StartAsync();
        var stale = ContractJobs.Note("x") with { Expires = TimeSpan.FromTicks(1) };

        var thrown = await Assert.ThrowsAsync<JobFailedException>(() => dispatcher.CallAsync(
            ContractJobs.Add(1, 2).Then(stale).Then(ContractJobs.Add(1, 1)), patience, Cancellation));

        Assert.Equal(JobState.Expired, thrown.Status.State);
        Assert.Equal(["3"], Bench.Runs.Select(run => run.Argument));
    }

    [Fact]
    public async Task Each_link_keeps_its_id_and_knows_its_family()
    {
        var dispatcher = await StartAsync();
        var chain = (ContractJobs.Add(1, 2) with { Id = $"{Queue}-first" }).Then(Plus(3)).Then(Plus(4) with { Id = $"{Queue}-last" });

        var handle = await dispatcher.EnqueueAsync(chain with { Result = true }, Cancellation);
        await handle.GetResultAsync(patience, Cancellation);

        var ids = Bench.Runs.Select(run => run.Id).ToArray();
        Assert.Equal(($"{Queue}-first", $"{Queue}-last", handle.Id), (ids[0], ids[2], ids[2]));
        Assert.Equal((ids[0], ids[0]), (Bench.Headers[ids[1]]["root_id"], Bench.Headers[ids[1]]["parent_id"]));
        Assert.Equal((ids[0], ids[1]), (Bench.Headers[ids[2]]["root_id"], Bench.Headers[ids[2]]["parent_id"]));
        Bench.Runs.Clear();
        await (await dispatcher.EnqueueAsync(chain with { Result = true }, Cancellation)).GetResultAsync(patience, Cancellation);
        Assert.Equal(ids[1], Bench.Runs.ElementAt(1).Id); // the same chain again: the same jobs
    }

    [Fact]
    public async Task What_follows_a_success_runs_with_its_result_or_without()
    {
        var dispatcher = await StartAsync();

        await dispatcher.EnqueueAsync(
            ContractJobs.Add(1, 2).OnSuccess(Plus(10)).OnSuccess(ContractJobs.Note("noted")).OnFailure(ContractJobs.Note("never")), Cancellation);

        await Wait.Until(() => Bench.Runs.Count == 3);
        Assert.Equal(["13", "3", "noted"], Bench.Runs.Select(run => run.Argument).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_follows_a_failure_gets_the_id_of_the_failed_job_and_why()
    {
        var dispatcher = await StartAsync();

        var handle = await dispatcher.EnqueueAsync(ContractJobs.Fail("torn").OnFailure(Tell("sorry")).OnSuccess(ContractJobs.Note("never")), Cancellation);

        await Wait.Until(() => Bench.Runs.Count == 2);
        var (_, id, argument) = Bench.Runs.ElementAt(1);
        Assert.Equal($"sorry:{handle.Id}", argument);
        Assert.Equal((handle.Id, "System.InvalidOperationException", "torn"),
            (Bench.Headers[id]["x-jobs-failed-id"], Bench.Headers[id]["x-jobs-failed-type"], Bench.Headers[id]["x-jobs-failed-message"]));
    }

    [Fact]
    public async Task A_failure_anywhere_in_a_chain_is_told_once()
    {
        var dispatcher = await StartAsync();
        var chain = ContractJobs.Add(1, 2).Then(ContractJobs.Fail("torn")).Then(Plus(1)).OnFailure(Tell("sorry"));

        await Assert.ThrowsAsync<JobFailedException>(() => dispatcher.CallAsync(chain, patience, Cancellation));
        await Wait.Until(() => Bench.Runs.Count == 3);
        Assert.Equal(5, await dispatcher.CallAsync(ContractJobs.Add(2, 3), patience, Cancellation)); // nothing else is on its way

        Assert.Equal(["contract.add", "contract.fail", "contract.failed", "contract.add"], Bench.Runs.Select(run => run.Task));
        Assert.StartsWith("sorry:", Bench.Runs.ElementAt(2).Argument, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_that_fails_at_first_goes_on_when_it_succeeds()
    {
        var dispatcher = await StartAsync();

        var handle = await dispatcher.EnqueueAsync(
            ContractJobs.Flaky(2).Then(ContractJobs.Add(1, 1)).OnFailure(ContractJobs.Note("never")) with { Result = true }, Cancellation);

        Assert.Equal(2, await handle.GetResultAsync(patience, Cancellation));
        Assert.Equal(["1", "2", "3", "2"], Bench.Runs.Select(run => run.Argument));
    }

    [Fact]
    public async Task A_link_waits_for_its_delay_and_carries_its_headers_and_priority()
    {
        var dispatcher = await StartAsync();
        var start = TimeProvider.System.GetTimestamp();

        await dispatcher.CallAsync(
            ContractJobs.Add(1, 2).Then(Plus(3) with { Delay = TimeSpan.FromSeconds(1), Priority = 4, Headers = new Dictionary<string, object?> { ["tenant"] = "a" } }),
            patience,
            Cancellation);

        Assert.True(TimeProvider.System.GetElapsedTime(start) > TimeSpan.FromSeconds(0.9));
        Assert.Equal("a", Bench.Headers[Bench.Runs.ElementAt(1).Id]["tenant"]);
    }

    [Fact]
    public async Task A_link_that_cannot_be_sent_refuses_the_whole_chain_at_once()
    {
        var dispatcher = await StartAsync();

        await Assert.ThrowsAsync<ArgumentException>(() => dispatcher.EnqueueAsync(ContractJobs.Add(1, 2).Then(Plus(3) with { Priority = 10 }), Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => dispatcher.EnqueueAsync(ContractJobs.Add(1, 2).Then(Plus(3) with { Queue = $"{Queue}.dead" }), Cancellation));

        Assert.Empty(Bench.Runs);
    }
}
