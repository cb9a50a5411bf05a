using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Contracts;

/// <summary>Dead letters: an index of them, and the way back to their queues.</summary>
public abstract partial class HostContract
{
    [Fact]
    public async Task A_dead_letter_is_in_the_index_with_what_happened()
    {
        var dispatcher = await StartAsync();
        var before = DateTimeOffset.UtcNow;
        await dispatcher.EnqueueAsync(ContractJobs.Fail("no feed") with { Id = "dead" });

        var letter = Assert.Single((await LettersAsync(dispatcher, 1)).Letters);

        Assert.Equal(("dead", "contract.fail", Queue, 1), (letter.Id, letter.Task, letter.Queue, letter.Attempts));
        Assert.Equal(typeof(InvalidOperationException).FullName, letter.ExceptionType);
        Assert.Contains("ContractTasks.Fail", letter.Frame, StringComparison.Ordinal);
        Assert.Contains("no feed", letter.Reason, StringComparison.Ordinal);
        Assert.InRange(letter.At, before.AddSeconds(-1), DateTimeOffset.UtcNow.AddSeconds(1));
    }

    [Fact]
    public async Task A_dead_letter_goes_back_with_its_id_and_all_attempts_and_leaves_the_index()
    {
        Bench.Broken = true;
        var dispatcher = await StartAsync();
        await dispatcher.EnqueueAsync(ContractJobs.Broken("a") with { Id = "one", Expires = TimeSpan.FromSeconds(20) });
        await dispatcher.EnqueueAsync(ContractJobs.Broken("b") with { Id = "two" });
        await LettersAsync(dispatcher, 2);
        Bench.Broken = false;

        var done = await Control(dispatcher).RetryDeadLettersAsync(new() { Ids = ["one"] }, cancellationToken: TestContext.Current.CancellationToken).Soon();

        Assert.Equal((DeadLetterRequestState.Done, 1, 0), (done.State, done.Moved, done.Kept));
        await Wait.Until(() => Bench.Runs.Count(run => run.Id == "one") == 3); // two attempts, and one now
        var headers = Bench.Headers["one"];
        Assert.Equal(done.Id, headers["x-jobs-request"]);
        Assert.Equal(0, headers["retries"]);
        Assert.DoesNotContain("expires", headers.Keys);
        Assert.DoesNotContain("x-jobs-dead-reason", headers.Keys);
        Assert.Equal(["two"], (await LettersAsync(dispatcher, 1)).Letters.Select(letter => letter.Id));
    }

    [Fact]
    public async Task A_request_that_is_made_again_with_its_id_does_nothing_a_second_time()
    {
        var dispatcher = await StartAsync();
        await dispatcher.EnqueueAsync(ContractJobs.Fail("again") with { Id = "dies" });
        await LettersAsync(dispatcher, 1);
        var retry = new DeadLetterRetry { RequestId = $"mine {Queue}" };
        var first = await Control(dispatcher).RetryDeadLettersAsync(new(), retry, TestContext.Current.CancellationToken).Soon();
        await Wait.Until(() => Bench.Runs.Count == 2);
        await LettersAsync(dispatcher, 1);

        var second = await Control(dispatcher).RetryDeadLettersAsync(new(), retry, TestContext.Current.CancellationToken).Soon();

        Assert.Equal((retry.RequestId, DeadLetterRequestState.Done, 1), (first.Id, first.State, first.Moved));
        Assert.Equal((first.Id, first.State, first.Moved, first.At), (second.Id, second.State, second.Moved, second.At));
        await LettersAsync(dispatcher, 1);
        Assert.Equal(2, Bench.Runs.Count);
    }

    [Fact]
    public async Task All_letters_that_match_go_back_and_one_that_dies_again_is_not_sent_back_a_second_time()
    {
        var dispatcher = await StartAsync();
        await dispatcher.EnqueueManyAsync(Enumerable.Range(0, 20).Select(i => ContractJobs.Fail("again") with { Id = $"fail {i}" }));
        await dispatcher.EnqueueAsync(ContractJobs.Fail("other") with { Id = "other" });
        await LettersAsync(dispatcher, 21);

        var done = await Control(dispatcher).RetryDeadLettersAsync(
            new() { Text = "AGAIN" }, new() { PerSecond = 1_000 }, TestContext.Current.CancellationToken).Soon();

        Assert.Equal(20, done.Moved);
        await Wait.Until(() => Bench.Runs.Count == 41);
        await LettersAsync(dispatcher, 21);
        Assert.Equal(1, Bench.Runs.Count(run => run.Id == "other"));
        Assert.All(Enumerable.Range(0, 20), i => Assert.Equal(2, Bench.Runs.Count(run => run.Id == $"fail {i}")));
    }

    [Fact]
    public async Task More_letters_than_the_keeper_can_hold_go_back_with_one_request_and_the_others_stay()
    {
        Bench.Broken = true;
        var dispatcher = await StartAsync(configure: options => options.LettersHeld = 10);
        await dispatcher.EnqueueManyAsync(Enumerable.Range(0, 40).Select(i => ContractJobs.Broken(i % 4 == 0 ? "stays" : "goes") with { Id = $"{i:00}" }));
        await LettersAsync(dispatcher, 40);
        Bench.Broken = false;
        var ids = Enumerable.Range(0, 40).Where(i => i % 4 != 0).Select(i => $"{i:00}").ToList();

        var done = await Control(dispatcher).RetryDeadLettersAsync(new() { Ids = ids }, cancellationToken: TestContext.Current.CancellationToken).Soon();

        Assert.Equal((DeadLetterRequestState.Done, 30, 0, null), (done.State, done.Moved, done.Kept, done.Problem));
        await Wait.Until(() => Bench.Runs.Count == 110);
        Assert.Equal(10, (await LettersAsync(dispatcher, 10)).Letters.Count);
        await Wait.Until(async () => await CountAsync(dispatcher) == 10);
    }

    [Fact]
    public async Task A_dead_letter_goes_back_with_other_arguments()
    {
        Bench.Broken = true;
        var dispatcher = await StartAsync();
        await dispatcher.EnqueueAsync(ContractJobs.Broken("wrong") with { Id = "one" });
        await LettersAsync(dispatcher, 1);
        Bench.Broken = false;
        var control = Control(dispatcher);

        await control.RetryDeadLettersAsync(new() { Ids = ["one"] }, new() { Arguments = """["right"]""" }, TestContext.Current.CancellationToken).Soon();

        await Wait.Until(() => Bench.Runs.Any(run => run == ("contract.broken", "one", "right")));
        await Assert.ThrowsAsync<ArgumentException>(() => control.RetryDeadLettersAsync(new(), new() { Arguments = "[]" }));
        await Assert.ThrowsAsync<ArgumentException>(() => control.RetryDeadLettersAsync(new() { Ids = ["one"] }, new() { Arguments = "{}" }));
    }

    [Fact]
    public async Task Dead_letters_that_are_deleted_are_gone_and_the_others_stay()
    {
        var dispatcher = await StartAsync();
        await dispatcher.EnqueueManyAsync(Enumerable.Range(0, 6).Select(i => ContractJobs.Fail(i % 2 == 0 ? "even" : "odd") with { Id = $"{i}" }));
        await LettersAsync(dispatcher, 6);

        var done = await Control(dispatcher).DeleteDeadLettersAsync(new() { Text = "odd" }, cancellationToken: TestContext.Current.CancellationToken).Soon();

        Assert.Equal(3, done.Moved);
        Assert.Equal(["0", "2", "4"], (await LettersAsync(dispatcher, 3)).Letters.Select(letter => letter.Id).Order());
        await Wait.Until(async () => await CountAsync(dispatcher) == 3);
    }

    [Fact]
    public async Task The_index_is_listed_in_pages_newest_first_and_grouped_by_exception()
    {
        var dispatcher = await StartAsync();
        for (var i = 0; i < 5; i++)
        {
            await dispatcher.EnqueueAsync(ContractJobs.Fail("x") with { Id = $"{i}" });
            await LettersAsync(dispatcher, i + 1);
        }

        await dispatcher.EnqueueAsync(new Job<int>("contract.nobody", []) with { Id = "unknown" });
        await LettersAsync(dispatcher, 6);

        List<string> ids = [];
        string? after = null;
        do
        {
            var page = await Inspector(dispatcher).DeadLettersAsync(new() { Task = "contract.f*" }, 2, after, TestContext.Current.CancellationToken);
            Assert.Equal(5, page.Total);
            ids.AddRange(page.Letters.Select(letter => letter.Id));
            after = page.Next;
        }
        while (after is not null);

        Assert.Equal(["4", "3", "2", "1", "0"], ids);
        var groups = await Inspector(dispatcher).DeadLetterGroupsAsync(new(), TestContext.Current.CancellationToken);
        Assert.Equal([(typeof(InvalidOperationException).FullName, 5), (null, 1)], groups.Select(group => (group.ExceptionType, group.Count)));
        Assert.Equal(["contract.fail"], groups[0].Tasks);
        Assert.True(groups[0].First < groups[0].Last);
    }

    [Fact]
    public async Task The_next_keeper_knows_what_the_former_one_knew()
    {
        var first = await StartAsync();
        await first.EnqueueAsync(ContractJobs.Fail("x") with { Id = "one" });
        await LettersAsync(first, 1);

        await StopAsync(first);
        var second = await StartAsync();

        await second.EnqueueAsync(ContractJobs.Fail("x") with { Id = "two" });
        Assert.Equal(["one", "two"], (await LettersAsync(second, 2)).Letters.Select(letter => letter.Id).Order());
    }

    [Fact]
    public async Task A_request_waits_for_a_process_with_a_worker()
    {
        Bench.Broken = true;
        var worker = await StartAsync();
        await worker.EnqueueAsync(ContractJobs.Broken("a") with { Id = "one" });
        await LettersAsync(worker, 1);
        var web = await StartAsync(worker: false);
        Bench.Broken = false;
        await StopAsync(worker);

        var request = await Control(web).RetryDeadLettersAsync(new(), new() { Wait = false }, TestContext.Current.CancellationToken).Soon();
        Assert.Equal(DeadLetterRequestState.Waiting, request.State);
        Assert.Equal("one", Assert.Single((await LettersAsync(web, 1)).Letters).Id);
        await StartAsync();

        await Wait.Until(() => Bench.Runs.Count(run => run.Id == "one") == 3);
        await Wait.Until(async () => await Control(web).GetRequestAsync(request.Id) is { State: DeadLetterRequestState.Done, Moved: 1 });
    }

    [Fact]
    public async Task Letters_that_nobody_told_the_keeper_of_are_found_when_it_looks_through_the_queue()
    {
        var dispatcher = await StartAsync();
        await dispatcher.EnqueueAsync(ContractJobs.Fail("x") with { Id = "told" });
        await LettersAsync(dispatcher, 1);
        var transport = Transport(dispatcher);
        await transport.PublishAsync(
            new Outgoing($"{Queue}.dead", TestMessage.Of("not told", "some.task")), Wait.Deadline, TestContext.Current.CancellationToken).AsTask().Soon();

        await Control(dispatcher).DeleteDeadLettersAsync(new() { Ids = ["nobody"] }, cancellationToken: TestContext.Current.CancellationToken).Soon();

        var letters = (await LettersAsync(dispatcher, 2)).Letters;
        Assert.Equal(["not told", "told"], letters.Select(letter => letter.Id).Order());
        Assert.Equal("some.task", letters.Single(letter => letter.Id == "not told").Task);
    }

    JobControl Control(IJobDispatcher dispatcher) => Services(dispatcher).GetRequiredService<JobControl>();

    JobInspector Inspector(IJobDispatcher dispatcher) => Services(dispatcher).GetRequiredService<JobInspector>();

    JobTransport Transport(IJobDispatcher dispatcher) => Services(dispatcher).GetRequiredService<JobTransport>();

    Task<long> CountAsync(IJobDispatcher dispatcher) => Transport(dispatcher).CountAsync($"{Queue}.dead", TestContext.Current.CancellationToken);

    // The index, when it has so many letters.
    async Task<DeadLetterPage> LettersAsync(IJobDispatcher dispatcher, int count)
    {
        DeadLetterPage? page = null;
        await Wait.Until(async () =>
        {
            page = await Inspector(dispatcher).DeadLettersAsync(new(), 100, cancellationToken: TestContext.Current.CancellationToken);
            return page.Total == count;
        });
        return page!;
    }
}
