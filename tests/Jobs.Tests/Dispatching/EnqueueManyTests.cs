using Jobs.Contracts;
using Jobs.Tests.Working;
using Jobs.Transport;
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

        var thrown = await Assert.ThrowsAsync<JobBatchException>(() => host.Dispatcher.EnqueueManyAsync(jobs, TestContext.Current.CancellationToken));

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
        var thrown = await Assert.ThrowsAsync<JobBatchException>(() => host.Dispatcher.EnqueueManyAsync((Job[])[new("t"), new("t")], TestContext.Current.CancellationToken));
        Assert.True(thrown.IsTransient);
    }

    [Fact]
    public async Task A_sequence_that_throws_loses_no_handle_of_the_jobs_that_it_gave()
    {
        await using var host = JobsHost.Create(_ => { });
        host.Transport.Fault = (step, _, message) => step == FaultStep.Publish && message.CorrelationId == "150" ? new JobPublishException("150", true, true, "gone") : null;

        var thrown = await Assert.ThrowsAsync<JobBatchException>(() => host.Dispatcher.EnqueueManyAsync(Jobs(), TestContext.Current.CancellationToken));

        Assert.IsType<InvalidDataException>(thrown.InnerException);
        Assert.Equal(Enumerable.Range(0, 200).Select(i => i == 150 ? null : $"{i}"), thrown.Handles.Select(h => h?.Id));
        Assert.Equal([150], thrown.Failures.Keys);
        Assert.Equal("The sequence of jobs threw after 200 jobs, 199 of which are enqueued: line 201", thrown.Message);
        Assert.False(thrown.IsTransient);
        Assert.Equal(199, host.Transport.Published.Count);

        static IEnumerable<Job> Jobs()
        {
            for (var i = 0; i < 200; i++)
            {
                yield return new("t") { Id = $"{i}" };
            }

            throw new InvalidDataException("line 201");
        }
    }

    [Fact]
    public async Task A_sequence_is_read_only_as_fast_as_its_jobs_are_taken()
    {
        var hold = new TaskCompletionSource();
        await using var host = JobsHost.Create(jobs => jobs.UseTransport(_ => new HeldTransport(hold.Task)));
        var pulled = 0;
        var all = host.Dispatcher.EnqueueManyAsync(Jobs(), TestContext.Current.CancellationToken);

        Assert.InRange(pulled, 1_000, 1_200); // it returned to us, because no publish ends
        hold.SetResult();
        Assert.Equal(5_000, (await all.Soon()).Count);

        IEnumerable<Job> Jobs()
        {
            for (; pulled < 5_000; pulled++)
            {
                yield return new("t");
            }
        }
    }

    [Fact]
    public async Task Many_jobs_of_one_type_have_typed_handles_and_a_mixed_list_has_not()
    {
        await using var host = JobsHost.Create(_ => { });
        IReadOnlyList<JobHandle<int>> typed = await host.Dispatcher.EnqueueManyAsync(Enumerable.Range(0, 3).Select(Add), TestContext.Current.CancellationToken);
        IReadOnlyList<JobHandle> mixed = await host.Dispatcher.EnqueueManyAsync([Add(1), new Job("other")], TestContext.Current.CancellationToken);

        Assert.Equal(3, typed.Count);
        Assert.Equal(2, mixed.Count);

        static Job<int> Add(int number) => new("tasks.add", [number]);
    }

    [Fact]
    public async Task A_cancelled_call_publishes_nothing()
    {
        await using var host = JobsHost.Create(_ => { });
        var cancelled = new CancellationToken(canceled: true);
        var thrown = await Assert.ThrowsAsync<JobBatchCanceledException>(() => host.Dispatcher.EnqueueManyAsync((Job[])[new("t"), new("t")], cancelled));
        Assert.Equal(cancelled, thrown.CancellationToken);
        Assert.Empty(thrown.Handles);
        Assert.Empty(host.Transport.Published);
    }

    [Fact]
    public async Task A_call_that_is_cancelled_on_its_way_says_which_jobs_are_enqueued()
    {
        using var cancel = new CancellationTokenSource();
        await using var host = JobsHost.Create(_ => { });
        host.Transport.Fault = (step, _, message) =>
        {
            if (step == FaultStep.Publish && message.CorrelationId == "250")
            {
                cancel.Cancel();
            }

            return null;
        };

        var thrown = await Assert.ThrowsAsync<JobBatchCanceledException>(
            () => host.Dispatcher.EnqueueManyAsync(Enumerable.Range(0, 1_000).Select(i => new Job("t") { Id = $"{i}" }), cancel.Token));

        Assert.Equal(cancel.Token, thrown.CancellationToken);
        Assert.Equal(host.Transport.Published.Select(p => p.Message.CorrelationId), thrown.Handles.Where(h => h is not null).Select(h => h!.Id));
        Assert.Equal(250, thrown.Handles.Count(h => h is not null));
        Assert.Equal(thrown.Handles.Count - 250, thrown.Failures.Count);
        Assert.All(thrown.Failures.Values, e => Assert.IsAssignableFrom<OperationCanceledException>(e));
    }

    [Fact]
    public async Task Jobs_after_the_loss_of_the_reply_queue_have_the_address_of_the_new_one()
    {
        var transport = new LosingTransport();
        await using var host = JobsHost.Create(jobs => jobs.UseTransport(_ => transport));

        await host.Dispatcher.EnqueueManyAsync(Jobs(), TestContext.Current.CancellationToken);

        Assert.Equal(["replies.1", null, "replies.2"], transport.Addresses);

        IEnumerable<Job> Jobs()
        {
            yield return new Job("t") { Result = true };
            transport.Lose();
            yield return new("t");
            yield return new Job("t") { Result = true };
        }
    }

    [Fact]
    public async Task Nobody_waits_for_the_results_of_chains_that_were_certainly_not_enqueued()
    {
        var transport = new LosingTransport { Refuses = true };
        await using var host = JobsHost.Create(jobs => jobs.UseTransport(_ => transport));
        var chain = (new Job<int>("t", [1]) { Queue = "q", Result = true }).Then(new Job<int>("t", [2]) { Queue = "q", Result = true });

        await Assert.ThrowsAsync<JobPublishException>(() => host.Dispatcher.EnqueueAsync(chain, TestContext.Current.CancellationToken));
        var refused = await Assert.ThrowsAsync<JobBatchException>(
            () => host.Dispatcher.EnqueueManyAsync([chain, chain], TestContext.Current.CancellationToken));

        Assert.Equal([0, 1], refused.Failures.Keys);
        Assert.Equal(6, transport.Expected.Count);
        Assert.Equal(transport.Expected, transport.Forgotten);
    }

    [Fact]
    public async Task Many_chains_give_the_handles_of_their_last_jobs()
    {
        var transport = new LosingTransport();
        await using var host = JobsHost.Create(jobs => jobs.UseTransport(_ => transport));
        Job first = new("t") { Queue = "q" };
        Job last = new("t") { Queue = "q", Result = true };

        var handles = await host.Dispatcher.EnqueueManyAsync([first.Then(last), first.Then(first).Then(last)], TestContext.Current.CancellationToken);

        Assert.Equal(transport.Expected, handles.Select(handle => handle.Id));
        Assert.Equal([null, null], transport.Addresses); // nobody asked for the results of the first jobs
    }

    /// <summary>No publish ends before it is let go.</summary>
    sealed class HeldTransport(Task hold) : JobTransport
    {
        public override TransportCapabilities Capabilities => TransportCapabilities.None;

        public override ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken) => new(hold);

        public override Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task<long> CountAsync(string queue, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override JobJournal OpenJournal(string name) => throw new NotSupportedException();

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>Its reply queue can be lost; then it has another one.</summary>
    sealed class LosingTransport : JobTransport
    {
        readonly Store store = new();

        public bool Refuses { get; init; }

        public List<string> Expected => store.Expected;

        public List<string> Forgotten => store.Forgotten;

        public List<string?> Addresses { get; } = [];

        public override TransportCapabilities Capabilities => TransportCapabilities.None;

        public override ResultStore Results => store;

        public void Lose() => store.Queues++;

        public override ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken)
        {
            Addresses.Add(outgoing.Message.ReplyTo);
            return !Refuses ? ValueTask.CompletedTask
                : throw new JobPublishException(outgoing.Message.CorrelationId!, maybeEnqueued: false, isTransient: false, "it is refused");
        }

        public override Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task<long> CountAsync(string queue, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override JobJournal OpenJournal(string name) => throw new NotSupportedException();

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

        sealed class Store : ResultStore
        {
            public int Queues { get; set; } = 1;

            public override ValueTask<string> OpenAsync(CancellationToken cancellationToken) => new($"replies.{Queues}");

            public List<string> Expected { get; } = [];

            public List<string> Forgotten { get; } = [];

            public override void Expect(string id) => Expected.Add(id);

            public override void Forget(string id) => Forgotten.Add(id);

            public override ValueTask<JobStatus?> ReadAsync(string id, CancellationToken cancellationToken) => throw new NotSupportedException();

            public override ValueTask<JobStatus?> WaitAsync(string id, TimeSpan timeout, CancellationToken cancellationToken) => throw new NotSupportedException();
        }
    }
}
