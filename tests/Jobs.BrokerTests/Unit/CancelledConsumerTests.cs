using System.Collections.Concurrent;
using System.Reflection;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.RabbitMQ;
using Jobs.Transport;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Unit;

/// <summary>What a consumer still sends when the broker has cancelled it. A real broker and a real channel, on which the test reads along.</summary>
public sealed class CancelledConsumerTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    readonly Bench bench = new(brokers.Broker);

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    /// <summary>On a mirrored queue an ack from before a failover may settle another message: lose it. (RabbitMQ server #4004, #4305; Celery #4671, Dramatiq #461)</summary>
    [Fact]
    public async Task After_the_brokers_cancel_no_answer_is_sent_whether_it_waited_was_being_written_or_came_later()
    {
        var host = bench.Host();
        await Bench.Jobs(host).EnqueueManyAsync(Enumerable.Range(0, 5).Select(_ => ProbeTask.Job()), Cancellation);
        var inbox = new Inbox();
        var answers = new ConcurrentQueue<(string Name, CancellationToken Token)>();
        var writing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var incarnation = new Incarnation(Tap<IConnection>.On(
            await new ConnectionFactory { Uri = brokers.Broker.AmqpUri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(Cancellation),
            (method, _, call) => method == nameof(IConnection.CreateChannelAsync) ? ReadAlongAsync((Task<IChannel>)call()!) : call()), new());
        var parts = bench.Parts(host);
        await using var consumer = await Consumer.StartAsync(Work(parts, prefetch: 5), inbox, new(parts.Time), Nothing, parts, incarnation, Cancellation);
        var deliveries = new List<Delivery>();
        while (deliveries.Count < 5)
        {
            deliveries.Add((await inbox.NextAsync().AsTask().WaitAsync(Soon, Cancellation))!);
        }

        await deliveries[0].SettleAsync([]);
        await writing.Task.WaitAsync(Soon, Cancellation); // the socket is slow: the first ack stands there …
        await deliveries[1].SettleAsync([]); // … and the second behind it
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeleteAsync(bench.Queue, cancellationToken: Cancellation);
        }

        Assert.Contains("cancelled", await consumer.Lost.WaitAsync(Soon, Cancellation), StringComparison.Ordinal);
        await deliveries[2].SettleAsync([]);
        Assert.False(await deliveries[3].LeaveEarlyAsync());
        await deliveries[4].ReleaseAsync();
        await consumer.DisposeAsync();

        var (name, token) = Assert.Single(answers);
        Assert.Equal(nameof(IChannel.BasicAckAsync), name);
        Assert.True(token.IsCancellationRequested, "The ack that was being written still is.");

        async Task<IChannel> ReadAlongAsync(Task<IChannel> opening) => Tap<IChannel>.On(await opening, (method, arguments, call) =>
        {
            if (method is not (nameof(IChannel.BasicAckAsync) or nameof(IChannel.BasicNackAsync) or nameof(IChannel.BasicRejectAsync)))
            {
                return call();
            }

            answers.Enqueue((method, (CancellationToken)arguments[^1]!));
            writing.TrySetResult();
            return new ValueTask(Task.Delay(Timeout.Infinite, (CancellationToken)arguments[^1]!)); // never written
        });
    }

    // Without its ack loop a consumer would look well, and get nothing any more once the prefetch is used up.
    [Fact]
    public async Task A_consumer_whose_acks_fail_for_an_unknown_reason_is_lost_and_another_one_follows()
    {
        var host = bench.Host();
        await Bench.Jobs(host).EnqueueManyAsync([ProbeTask.Job("first"), ProbeTask.Job("second")], Cancellation);
        var (inbox, parts, failed) = (new Inbox(), bench.Parts(host), 0);
        await using var incarnation = new Incarnation(Tap<IConnection>.On(
            await new ConnectionFactory { Uri = brokers.Broker.AmqpUri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(Cancellation),
            (method, _, call) => method == nameof(IConnection.CreateChannelAsync) ? FailOnceAsync((Task<IChannel>)call()!) : call()), new());
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        await using var consumer = new QueueConsumer(Work(parts, prefetch: 1), new(parts), inbox, Nothing, parts, Task.CompletedTask);
        var running = consumer.RunAsync(incarnation, isFirst: false, () => { }, over.Token);

        await (await inbox.NextAsync().AsTask().WaitAsync(Soon, Cancellation))!.SettleAsync([]);
        var second = (await inbox.NextAsync().AsTask().WaitAsync(Soon, Cancellation))!; // on the new channel, where the first is acked without a run
        Assert.Contains("second", System.Text.Encoding.UTF8.GetString(second.Message.Body.Span), StringComparison.Ordinal);
        await second.SettleAsync([]);

        Assert.Equal(1, bench.Logged(441, "its acks could not be sent"));
        await over.CancelAsync();
        await running;

        async Task<IChannel> FailOnceAsync(Task<IChannel> opening) => Tap<IChannel>.On(await opening, (method, _, call) =>
            method == nameof(IChannel.BasicAckAsync) && Interlocked.Exchange(ref failed, 1) == 0 ? throw new NotSupportedException("nobody expects this") : call());
    }

    static ValueTask<IReadOnlyDictionary<int, Exception>> Nothing(IReadOnlyList<Outgoing> outgoing, TimeSpan timeout) => throw new InvalidOperationException("There is nothing to publish.");

    ConsumedQueue Work(BrokerParts parts, int prefetch) => new(bench.Queue, bench.Queue, prefetch, new(bench.Queue, bench.QuarantineQueue, 20, Nothing, parts));
}

/// <summary>Stands in front of an object of the client and sees each call before it is made.</summary>
public class Tap<T> : DispatchProxy
    where T : class
{
    Func<string, object?[], Func<object?>, object?>? watch;
    T? target;

    public static T On(T target, Func<string, object?[], Func<object?>, object?> watch)
    {
        var tap = Create<T, Tap<T>>();
        ((Tap<T>)(object)tap).watch = watch;
        ((Tap<T>)(object)tap).target = target;
        return tap;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => watch!(targetMethod!.Name, args ?? [], () => targetMethod.Invoke(target, args));
}
