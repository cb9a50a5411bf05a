using System.Diagnostics;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Publishing;

/// <summary>The network breaks while jobs are enqueued. Every caller gets an answer, and the answer is true.</summary>
public sealed class PublishFaultTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(40); // more than two of the longest back-offs

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    // rabbitmq.md §2.3: without a token of our own, RabbitMQ.Client 7.2.2 left publishes pending for ever after a plain TCP reset.
    [Fact]
    public async Task A_reset_with_2000_publishes_in_flight_answers_every_caller_and_loses_none()
    {
        const int Count = 2_000;
        var proxy = bench.Proxy();
        var dispatcher = Bench.Jobs(bench.Host(proxy));
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "first" }, TestContext.Current.CancellationToken);
        var cut = proxy.CutAfter(150_000); // some hundred messages are confirmed, some written, the rest wait

        var all = Enumerable.Range(0, Count)
            .Select(i => dispatcher.EnqueueAsync(ProbeTask.Job(new string('x', 200)) with { Id = $"job-{i}" }, TestContext.Current.CancellationToken))
            .ToArray();
        await cut.WaitAsync(Soon, TestContext.Current.CancellationToken);
        await Task.WhenAll(all).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);

        var found = await bench.DrainIdsAsync(bench.Queue);
        Assert.Equal(Count + 1, found.Count); // every one, whatever the number of copies
        var copies = found.Values.Sum() - found.Count;
        TestContext.Current.SendDiagnosticMessage("{0} jobs twice after a reset under {1}", copies, Count);
        Assert.InRange(copies, 0, 512); // never more than the window of unconfirmed ones
    }

    [Fact]
    public async Task Ten_resets_in_a_row_lose_nothing()
    {
        const int Count = 2_000;
        var proxy = bench.Proxy();

        // Each reset may hit a handshake, so the pauses between attempts grow: they can take more than 40 seconds together.
        var patience = TimeSpan.FromMinutes(2);
        var dispatcher = Bench.Jobs(bench.Host(proxy, jobs: o => o.EnqueueTimeout = patience));
        var all = new List<Task>();
        for (var round = 0; round < 10; round++)
        {
            var next = proxy.NextAcceptedAsync();
            for (var i = 0; i < Count / 10; i++)
            {
                all.Add(dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = $"job-{round}-{i}" }, TestContext.Current.CancellationToken));
            }

            proxy.ResetAll();
            await Task.WhenAny(next, Task.WhenAll(all)).WaitAsync(Soon, TestContext.Current.CancellationToken);
        }

        await Task.WhenAll(all).WaitAsync(patience, TestContext.Current.CancellationToken);
        Assert.Equal(Count, (await bench.DrainIdsAsync(bench.Queue)).Count);
    }

    /// <summary>What waited must not wait for the next enqueue to be sent with it. (Wolverine #1430, #1514)</summary>
    [Fact]
    public async Task Jobs_that_waited_for_the_connection_all_go_out_when_it_is_back_without_further_traffic()
    {
        const int Count = 100;
        var proxy = bench.Proxy();
        var dispatcher = Bench.Jobs(bench.Host(proxy, o => o.PublishWindow = 8));
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "before" }, TestContext.Current.CancellationToken);
        proxy.RefuseNew();
        proxy.ResetAll();
        await Eventually.BecomesAsync(() => proxy.OpenConnections == 0, Soon, "the connection to be gone");
        var other = $"{bench.Prefix}.other";
        var waiting = Enumerable.Range(0, Count)
            .Select(i => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = $"{i}", Queue = i % 2 == 0 ? null : other, Delay = i % 10 == 0 ? TimeSpan.FromSeconds(1) : null }, TestContext.Current.CancellationToken))
            .ToArray();
        Assert.DoesNotContain(waiting, call => call.IsCompleted);

        proxy.AcceptNew();

        await Task.WhenAll(waiting).WaitAsync(Soon, TestContext.Current.CancellationToken);
        await bench.HoldsAsync(bench.Queue, 1 + Count / 2);
        await bench.HoldsAsync(other, Count / 2);
    }

    // §2.6: behind a load balancer TCP connects to nobody; CreateConnectionAsync was pending at 40 s, and does not try the next endpoint.
    [Fact]
    public async Task A_host_that_accepts_and_stays_silent_is_left_for_the_next()
    {
        var silent = bench.Proxy();
        silent.AcceptAndStaySilent = true;
        var good = bench.Proxy();
        var uri = $"amqp://{brokers.Broker.AmqpUri.UserInfo}@127.0.0.1:{silent.Port},127.0.0.1:{good.Port}";
        for (var round = 0; silent.ConnectionsAccepted == 0 && round < 20; round++)
        {
            // The order is random, so several publishers until one has met the silent host.
            var dispatcher = Bench.Jobs(bench.Host(uri, o => o.ConnectTimeout = TimeSpan.FromSeconds(1)));
            await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        }

        Assert.True(silent.ConnectionsAccepted > 0);
    }

    [Fact]
    public async Task With_only_a_silent_host_an_enqueue_ends_at_its_deadline_as_not_enqueued_and_hosts_start()
    {
        var proxy = bench.Proxy();
        proxy.AcceptAndStaySilent = true;
        var host = await bench.StartedAsync(bench.Host(proxy, o => o.ConnectTimeout = TimeSpan.FromSeconds(1), o => o.EnqueueTimeout = TimeSpan.FromSeconds(2), new ProbeTask())).WaitAsync(Soon, TestContext.Current.CancellationToken);

        var watch = Stopwatch.StartNew();
        var exception = await Assert.ThrowsAsync<JobPublishException>(() => Bench.Jobs(host).EnqueueAsync(ProbeTask.Job() with { Id = "one" }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken));

        Assert.False(exception.MaybeEnqueued);
        Assert.True(exception.IsTransient);
        Assert.Equal("one", exception.JobId);
        Assert.True(watch.Elapsed > TimeSpan.FromSeconds(1.9), $"answered after {watch.Elapsed}");
    }

    // §2.3: the peer's receive window is zero; a write hangs, and no heartbeat is due to say so.
    [Fact]
    public async Task When_the_peer_stops_reading_callers_are_answered_at_their_deadline()
    {
        var proxy = bench.Proxy();
        var host = bench.Host(proxy);
        var dispatcher = Bench.Jobs(host);
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        Bench.LimitEnqueue(host, seconds: 3);

        proxy.StallClientToServer();
        var body = new string('x', 200_000); // times 300: more than the client's own queue of 128 takes
        var watch = Stopwatch.StartNew();
        var all = Enumerable.Range(0, 300).Select(i => Record.ExceptionAsync(() => dispatcher.EnqueueAsync(ProbeTask.Job(body) with { Id = $"big-{i}" }, TestContext.Current.CancellationToken)).AsTask()).ToArray();
        var answers = await Task.WhenAll(all).WaitAsync(Soon, TestContext.Current.CancellationToken);

        Assert.True(watch.Elapsed > TimeSpan.FromSeconds(2.9), $"answered after {watch.Elapsed}");
        Assert.All(answers, a => Assert.IsType<JobPublishException>(a));
        Assert.Contains(answers.Cast<JobPublishException>(), a => a.MaybeEnqueued);
        Assert.Contains(answers.Cast<JobPublishException>(), a => !a.MaybeEnqueued); // those that still stood in line

        proxy.Resume();
        proxy.ResetAll();
        Bench.LimitEnqueue(host, seconds: 30);
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "after" }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(async () => (await bench.CountAsync(bench.Queue)) >= 2, Soon, "the last job");
        var ids = await bench.DrainIdsAsync(bench.Queue);
        Assert.Contains("after", ids.Keys);
        Assert.DoesNotContain(answers.Cast<JobPublishException>().Where(a => !a.MaybeEnqueued), a => ids.ContainsKey(a.JobId)); // "not" is a promise
    }

    // §2.2, §2.4: written and not confirmed is neither success nor failure; the caller gets the id to recognise a copy by.
    [Fact]
    public async Task A_confirm_that_does_not_come_in_time_is_maybe_enqueued_with_the_id()
    {
        var proxy = bench.Proxy();
        var host = bench.Host(proxy);
        var dispatcher = Bench.Jobs(host);
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "before" }, TestContext.Current.CancellationToken);
        Bench.LimitEnqueue(host, seconds: 2);

        proxy.StallServerToClient();
        var exception = await Assert.ThrowsAsync<JobPublishException>(() => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "unknown" }, TestContext.Current.CancellationToken));

        Assert.True(exception.MaybeEnqueued);
        Assert.Equal("unknown", exception.JobId);
        Assert.Contains("unknown", exception.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await bench.DrainIdsAsync(bench.Queue))["unknown"]); // it is there: "maybe" was right
    }

    // §1.2: a quorum queue without a leader confirms nothing; 3.10 says nothing either. The window is shared by all queues.
    [Fact]
    public async Task A_connection_on_which_nothing_is_confirmed_is_given_up_and_the_job_goes_on_another()
    {
        var proxy = bench.Proxy();
        var dispatcher = Bench.Jobs(bench.Host(proxy, options => options.ConfirmTimeout = TimeSpan.FromSeconds(2)));
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "first" }, TestContext.Current.CancellationToken);

        proxy.StallServerToClient();
        var waiting = dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "second" }, TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => bench.Logged(401, "nothing was confirmed for") == 1, Soon, "the connection to be given up");
        proxy.Resume();
        await waiting.WaitAsync(Soon, TestContext.Current.CancellationToken);

        var found = await bench.DrainIdsAsync(bench.Queue);
        Assert.Equal(["first", "second"], found.Keys.Order());
        Assert.InRange(found["second"], 1, 2); // it may have arrived both times
    }

    [Fact]
    public async Task A_queue_that_confirms_nothing_does_not_stop_publishing_to_others_for_ever()
    {
        var host = bench.Host(rabbit: o => o.PublishWindow = 4);
        var dispatcher = Bench.Jobs(host);
        var mute = $"{bench.Prefix}.mute";
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Queue = mute }, TestContext.Current.CancellationToken);
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await brokers.Broker.ControlAsync("eval", $"sys:suspend('%2F_{mute}').");
        try
        {
            Bench.LimitEnqueue(host, seconds: 3);
            var lost = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Record.ExceptionAsync(() => dispatcher.EnqueueAsync(ProbeTask.Job() with { Queue = mute }, TestContext.Current.CancellationToken)).AsTask()));
            Assert.All(lost, l => Assert.True(Assert.IsType<JobPublishException>(l).MaybeEnqueued));

            Bench.LimitEnqueue(host, seconds: 20); // less than the ConfirmTimeout of the mute queue's
            await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
            await bench.HoldsAsync(bench.Queue, 2);
        }
        finally
        {
            await brokers.Broker.ControlAsync("eval", $"sys:resume('%2F_{mute}').");
        }
    }

    [Fact]
    public async Task A_cancelled_call_ends_at_once()
    {
        var proxy = bench.Proxy();
        proxy.AcceptAndStaySilent = true;
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var call = Bench.Jobs(bench.Host(proxy)).EnqueueAsync(ProbeTask.Job(), cancel.Token);
        await proxy.AcceptedAsync(1).WaitAsync(Soon, TestContext.Current.CancellationToken);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task The_end_of_the_host_answers_whoever_still_waits()
    {
        var proxy = bench.Proxy();
        var host = bench.Host(proxy);
        var dispatcher = Bench.Jobs(host);
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        proxy.StallServerToClient();
        var written = proxy.BytesToServer;
        var call = dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => proxy.BytesToServer > written, Soon, "the job to be written");

        await Bench.Transport(host).DisposeAsync().AsTask().WaitAsync(Soon, TestContext.Current.CancellationToken);

        var exception = await Assert.ThrowsAsync<JobPublishException>(() => call.WaitAsync(Soon, TestContext.Current.CancellationToken));
        Assert.True(exception.MaybeEnqueued);
    }
}
