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
        var subscription = (RabbitSubscription)await bench.SubscribeAsync(host, queues: $"{bench.Prefix}.idle");
        var answers = new ConcurrentQueue<(string Name, CancellationToken Token)>();
        var writing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var incarnation = new Incarnation(Tap<IConnection>.On(
            await new ConnectionFactory { Uri = brokers.Broker.AmqpUri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(Cancellation),
            (method, _, call) => method == nameof(IConnection.CreateChannelAsync) ? ReadAlongAsync((Task<IChannel>)call()!) : call()));
        await using var consumer = await Consumer.StartAsync(subscription, incarnation, bench.Queue, isQuarantine: false, prefetch: 5, Cancellation);
        var deliveries = new List<Delivery>();
        while (deliveries.Count < 5)
        {
            deliveries.Add((await subscription.NextAsync().AsTask().WaitAsync(Soon, Cancellation))!);
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
