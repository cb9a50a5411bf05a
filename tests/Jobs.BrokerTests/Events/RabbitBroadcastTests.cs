using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Transport;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Events;

/// <summary>Events on a real broker: how they look, lost connections, and users without rights.</summary>
public sealed class RabbitBroadcastTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int EventsOff = 480;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    string Exchange => $"{bench.Prefix}.events";

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task An_event_has_the_properties_of_Celerys()
    {
        await using var channel = await bench.ChannelAsync();
        await channel.ExchangeDeclareAsync(Exchange, ExchangeType.Topic, durable: true, cancellationToken: Cancellation); // as kombu does
        var queue = (await channel.QueueDeclareAsync(cancellationToken: Cancellation)).QueueName;
        await channel.QueueBindAsync(queue, Exchange, "#", cancellationToken: Cancellation);
        var host = await bench.StartedAsync(Host(worker: "props@web1"));

        BasicGetResult? online = null;
        await Eventually.BecomesAsync(async () => (online ??= await channel.BasicGetAsync(queue, autoAck: true, Cancellation)) is not null, Soon, "an event");
        Assert.Equal("worker.online", online!.RoutingKey);
        var properties = online.BasicProperties;
        Assert.Equal(("application/json", "utf-8", DeliveryModes.Transient), (properties.ContentType, properties.ContentEncoding, properties.DeliveryMode));
        Assert.Equal("props@web1", Bench.Header(online, "hostname"));
        await host.StopAsync(Cancellation);
        await channel.ExchangeDeclareAsync(Exchange, ExchangeType.Topic, durable: true, cancellationToken: Cancellation); // as it was
    }

    [Fact]
    public async Task A_listener_and_a_sender_come_back_after_a_lost_connection()
    {
        var proxy = bench.Proxy();
        var listening = Bench.Transport(bench.Host(proxy, rabbit => rabbit.EventExchange = Exchange));
        var sending = Bench.Transport(bench.Host(proxy, rabbit => rabbit.EventExchange = Exchange));
        await using var listener = await listening.Broadcast!.ListenAsync("test.#", Cancellation).WaitAsync(Soon, Cancellation);
        await HeardAsync(sending, listener, "before");

        proxy.ResetAll();

        await HeardAsync(sending, listener, "after");
    }

    [Fact]
    public async Task An_exchange_that_somebody_deletes_is_declared_again()
    {
        var transport = Bench.Transport(bench.Host(rabbit: rabbit => rabbit.EventExchange = Exchange));
        await using (var before = await transport.Broadcast!.ListenAsync("test.#", Cancellation).WaitAsync(Soon, Cancellation))
        {
            await HeardAsync(transport, before, "before");
        }

        await using var channel = await bench.ChannelAsync();
        await channel.ExchangeDeleteAsync(Exchange, cancellationToken: Cancellation);
        await using var listener = await transport.Broadcast!.ListenAsync("test.#", Cancellation).WaitAsync(Soon, Cancellation);
        await HeardAsync(transport, listener, "after");
    }

    [Theory]
    [InlineData("^$", ".*", "declare")] // and the exchange is not there
    [InlineData(".*", "^(?!EXCHANGE).*$", "write")]
    public async Task A_user_without_the_right_to_events_has_jobs_all_the_same_and_one_line_says_so(string configure, string write, string missing)
    {
        brokers.RequireControl();
        await Bench.Jobs(bench.Host()).EnqueueAsync(ProbeTask.Job("made"), Cancellation); // the administrator
        await bench.HoldsAsync(bench.Queue, 1);
        var user = $"{bench.Prefix}-user";
        await brokers.Broker.ControlAsync("add_user", user, "secret");
        var writes = write.Replace("EXCHANGE", Exchange.Replace(".", "\\.", StringComparison.Ordinal), StringComparison.Ordinal);
        await brokers.Broker.ControlAsync("set_permissions", "-p", "/", user, configure, writes, ".*");
        try
        {
            var uri = new UriBuilder(brokers.Broker.AmqpUri) { UserName = user, Password = "secret" }.Uri.ToString();
            var task = new ProbeTask((_, text) => text == "fail" ? throw new InvalidOperationException("as it must") : ValueTask.CompletedTask);
            var host = await bench.StartedAsync(bench.Host(
                uri,
                rabbit => (rabbit.Declare, rabbit.EventExchange) = (DeclareMode.Passive, Exchange),
                jobs => (jobs.MaxRetries, jobs.Events) = (0, EventLevel.All),
                task));
            for (var i = 0; i < 20; i++)
            {
                await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(i % 2 == 0 ? "run" : "fail"), Cancellation).WaitAsync(Soon, Cancellation);
            }

            await Eventually.BecomesAsync(() => task.Arguments.Count == 21, Soon, "all jobs to run");
            await Eventually.BecomesAsync(() => bench.Logged(EventsOff) == 1, Soon, "the line");
            Assert.Equal(1, bench.Logged(EventsOff, missing));
            await host.StopAsync(Cancellation);
            Assert.Equal(1, bench.Logged(EventsOff));
        }
        finally
        {
            await brokers.Broker.ControlAsync("delete_user", user);
        }
    }

    Microsoft.Extensions.Hosting.IHost Host(string worker) => bench.Host(
        rabbit: rabbit => rabbit.EventExchange = Exchange,
        jobs: options => options.Events = EventLevel.Default,
        task: new ProbeTask((_, _) => ValueTask.CompletedTask),
        worker: options => options.Name = worker);

    // Sends until it is heard: what is sent while the connection is away may be lost.
    static async Task HeardAsync(JobTransport sender, BroadcastSubscription listener, string word)
    {
        using var giveUp = new CancellationTokenSource(Soon, TimeProvider.System);
        var heard = Task.Run(async () =>
        {
            while ((await listener.NextAsync(giveUp.Token))!.Topic != $"test.{word}")
            {
            }
        });
        await Eventually.BecomesAsync(
            () =>
            {
                sender.Broadcast!.Send(new() { Topic = $"test.{word}", Body = "{}"u8.ToArray(), Sender = "tester" });
                return heard.IsCompleted;
            },
            Soon,
            $"'{word}' to be heard");
        await heard;
    }
}
