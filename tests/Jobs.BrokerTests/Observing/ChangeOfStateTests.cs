using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Tests.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Observing;

/// <summary>Each change of state is one log line and one count. A listener hears the whole process, and an alarm stops the whole broker: these tests run alone.</summary>
[Collection(nameof(BrokerWideCollection))]
public sealed class ChangeOfStateTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int Connected = 400, Disconnected = 401, Recovered = 402, Blocked = 420, Unblocked = 421, QueueGone = 423, Consuming = 440, ConsumerLost = 441, ConsumerRegained = 446, ConsumerRefused = 447, JournalRefused = 460, JournalRegained = 461;
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);
    readonly Measured measured = new();

    public async ValueTask DisposeAsync()
    {
        await bench.DisposeAsync();
        measured.Dispose();
    }

    [Fact]
    public async Task Ten_resets_of_all_connections_are_ten_lines_each_and_no_other()
    {
        const int Resets = 10;
        var proxy = bench.Proxy();
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(proxy, task: task));
        for (var round = 0; round <= Resets; round++)
        {
            if (round > 0)
            {
                proxy.ResetAll();
                await Eventually.BecomesAsync(() => bench.Logged(Recovered) == 3 * round && bench.Logged(Consuming) == round + 1, Soon, $"all connections to work again after reset {round}");
            }

            await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
            await Eventually.BecomesAsync(() => task.Total == round + 1, Soon, "the job to run");
        }

        foreach (var connection in new[] { "publish", "consume", "side" })
        {
            Assert.Equal((1, Resets, Resets), (bench.Logged(Connected, connection), bench.Logged(Disconnected, connection), bench.Logged(Recovered, connection)));
            Assert.Equal(Resets, measured.Sum("jobs.connection.reconnects", ("jobs.connection", connection), ("messaging.system", "rabbitmq")));
        }

        Assert.Equal((Resets + 1, 0, 0, 0), (bench.Logged(Consuming), bench.Logged(ConsumerLost), bench.Logged(ConsumerRegained), bench.Logged(ConsumerRefused)));
        Assert.Equal(0, measured.Sum("jobs.consumer.losses", ("messaging.destination.name", bench.Queue)));
    }

    [Fact]
    public async Task An_outage_is_one_line_however_often_it_is_tried_and_the_gauges_show_it()
    {
        var proxy = bench.Proxy();
        var host = await bench.StartedAsync(bench.Host(proxy, task: new ProbeTask()));
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        Assert.Equal((1, 1), (Up("publish"), Up("consume")));
        Assert.Equal(1, measured.Sum("jobs.consumer.count", ("messaging.destination.name", bench.Queue)));

        proxy.AcceptAndStaySilent = true;
        var attempts = proxy.ConnectionsAccepted;
        proxy.ResetAll();
        await Eventually.BecomesAsync(() => proxy.ConnectionsAccepted >= attempts + 4, Soon, "some attempts to connect");

        Assert.Equal((0, 0), (Up("publish"), Up("consume")));
        Assert.Equal(0, measured.Sum("jobs.consumer.count", ("messaging.destination.name", bench.Queue)));
        Assert.Equal((3, 0), (bench.Logged(Disconnected), bench.Logged(Recovered)));
        proxy.AcceptAndStaySilent = false;
        await Eventually.BecomesAsync(() => bench.Logged(Recovered) == 3, Soon, "all connections to work again");
        Assert.Equal((1, 1), (Up("publish"), Up("consume")));
        Assert.Equal(3, bench.Logged(Disconnected));

        long Up(string connection) => measured.Sum("jobs.connection.up", ("jobs.connection", connection));
    }

    // A new connection for each term, and one for each journal, is what the broker's management page used to show.
    [Fact]
    public async Task Journals_share_a_connection_which_outlives_their_terms()
    {
        var transport = Bench.Transport(bench.Host());
        await using var ending = transport.OpenJournal("ending");
        await using var staying = transport.OpenJournal("staying");
        var first = await ending.LeadAsync(TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
        await using var reader = await staying.LeadAsync(TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
        await first.DisposeAsync();
        await using var second = await ending.LeadAsync(TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);

        Assert.True(first.Lost.IsCancellationRequested);
        Assert.False(reader.Lost.IsCancellationRequested);
        Assert.Equal((1, 0), (bench.Logged(Connected, "side"), bench.Logged(Disconnected)));
        Assert.Equal(1, measured.Sum("jobs.connection.up", ("jobs.connection", "side")));
    }

    [Fact]
    public async Task A_journal_that_cannot_be_read_is_one_line_and_the_connection_goes_on()
    {
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeclareAsync($"{bench.Prefix}.journal.odd", durable: true, exclusive: false, autoDelete: false, cancellationToken: TestContext.Current.CancellationToken);
        }

        var transport = Bench.Transport(bench.Host());
        await using var odd = transport.OpenJournal("odd");
        await using var good = transport.OpenJournal("good");
        var waiting = odd.LeadAsync(TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => bench.Logged(JournalRefused, "RabbitMqOptions.Prefix") == 1, Soon, "the refusal to be logged");
        await using var reader = await good.LeadAsync(TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeleteAsync($"{bench.Prefix}.journal.odd", cancellationToken: TestContext.Current.CancellationToken);
        }

        await using var late = await waiting.WaitAsync(Soon, TestContext.Current.CancellationToken);
        Assert.False(reader.Lost.IsCancellationRequested);
        Assert.Equal((1, 1, 0), (bench.Logged(JournalRefused), bench.Logged(JournalRegained), bench.Logged(Disconnected)));
    }

    [Fact]
    public async Task A_deleted_queue_is_one_lost_and_one_regained_consumer()
    {
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(rabbit: o => o.WatchdogInterval = TimeSpan.FromSeconds(5), task: task));
        await Eventually.BecomesAsync(() => bench.Logged(Consuming) == 1, Soon, "the worker to consume");
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeleteAsync(bench.Queue, cancellationToken: TestContext.Current.CancellationToken);
        }

        await Eventually.BecomesAsync(() => bench.Logged(ConsumerRegained) == 1, Soon, "the consumer to be back");
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the job to run");
        Assert.Equal((1, 1, 1), (bench.Logged(ConsumerLost), bench.Logged(ConsumerRegained), bench.Logged(Consuming)));
        Assert.Equal(1, measured.Sum("jobs.consumer.losses", ("messaging.destination.name", bench.Queue)));
        Assert.Equal(HealthStatus.Healthy, (await Bench.HealthAsync(host, "ready")).Status);
    }

    [Fact]
    public async Task Many_jobs_for_a_queue_that_is_gone_are_one_line()
    {
        var host = bench.Host();
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeleteAsync(bench.Queue, cancellationToken: TestContext.Current.CancellationToken);
        }

        await Bench.Jobs(host).EnqueueManyAsync(Enumerable.Range(0, 100).Select(_ => ProbeTask.Job()), TestContext.Current.CancellationToken);
        Assert.Equal(1, bench.Logged(QueueGone));
        Assert.Equal(100, await bench.CountAsync(bench.Queue));
    }

    [Fact]
    public async Task A_queue_that_cannot_be_had_again_is_one_line_and_the_reason_of_the_health_check()
    {
        var host = await bench.StartedAsync(bench.Host(task: new ProbeTask()));
        await Eventually.BecomesAsync(() => bench.Logged(Consuming) == 1, Soon, "the worker to consume");
        await using (var channel = await bench.ChannelAsync())
        {
            // In the second for which the worker leaves it away: of another kind, it is not the queue that the worker knows.
            await channel.QueueDeleteAsync(bench.Queue, cancellationToken: TestContext.Current.CancellationToken);
            await channel.QueueDeclareAsync(bench.Queue, durable: true, exclusive: false, autoDelete: false, cancellationToken: TestContext.Current.CancellationToken);
        }

        await Eventually.BecomesAsync(async () => (await Bench.HealthAsync(host, "ready")) is { Status: HealthStatus.Unhealthy } r && r.Description!.Contains($"no consumer for '{bench.Queue}'", StringComparison.Ordinal), Soon, "the readiness to name the queue");
        await Eventually.BecomesAsync(() => bench.Logged(ConsumerRefused) == 1, Soon, "the refusal to be logged");
        Assert.Equal(HealthStatus.Healthy, (await Bench.HealthAsync(host, "live")).Status); // not yet for long
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeleteAsync(bench.Queue, cancellationToken: TestContext.Current.CancellationToken);
        }

        await Eventually.BecomesAsync(() => bench.Logged(ConsumerRegained) == 1, Soon, "the consumer to be back");
        Assert.Equal((1, 1), (bench.Logged(ConsumerLost), bench.Logged(ConsumerRefused)));
    }

    [Fact]
    public async Task A_connection_is_back_when_one_of_its_queues_is_refused_and_the_next_outage_is_a_line_again()
    {
        var other = $"{bench.Prefix}.other";
        var proxy = bench.Proxy();
        var host = await bench.StartedAsync(bench.Host(proxy, task: new ProbeTask(), worker: w => w.Queues = [bench.Queue, other]));
        proxy.RefuseNew();
        proxy.ResetAll();
        await Eventually.BecomesAsync(() => bench.Logged(Disconnected, "consume") == 1, Soon, "the outage to be logged");
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeleteAsync(other, cancellationToken: TestContext.Current.CancellationToken);
            await channel.QueueDeclareAsync(other, durable: true, exclusive: false, autoDelete: false, cancellationToken: TestContext.Current.CancellationToken); // a classic one
        }

        proxy.AcceptNew();
        await Eventually.BecomesAsync(() => bench.Logged(Recovered, "consume") == 1, Soon, "the connection to be back");
        await Eventually.BecomesAsync(() => bench.Logged(ConsumerRefused, other) == 1, Soon, "the refusal to be logged");
        await Eventually.BecomesAsync(async () => (await Bench.HealthAsync(host, "ready")) is { Status: HealthStatus.Degraded } r && r.Description!.Contains(other, StringComparison.Ordinal), Soon, "the readiness to name the queue");

        proxy.ResetAll();
        await Eventually.BecomesAsync(() => bench.Logged(Disconnected, "consume") == 2 && bench.Logged(Recovered, "consume") == 2, Soon, "the next outage to be logged, and its end");
    }

    [Fact]
    public async Task An_alarm_is_one_line_at_its_begin_and_one_at_its_end_and_health_gives_the_brokers_reason()
    {
        var host = bench.Host();
        var dispatcher = Bench.Jobs(host);
        host.Services.GetRequiredService<IOptions<JobsHealthOptions>>().Value.BlockedFor = TimeSpan.FromSeconds(2);
        await dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        Task call;
        await brokers.Broker.ControlAsync("set_vm_memory_high_watermark", "0");
        try
        {
            call = dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
            await Eventually.BecomesAsync(async () => (await Bench.HealthAsync(host, "ready")) is { Status: HealthStatus.Degraded } r && r.Description!.Contains("low on memory", StringComparison.Ordinal), Soon, "it to be degraded");
            await Eventually.BecomesAsync(async () => (await Bench.HealthAsync(host, "ready")) is { Status: HealthStatus.Unhealthy } r && r.Description!.Contains("low on memory", StringComparison.Ordinal), Soon, "it to be unhealthy");
            Assert.Equal(1, measured.Sum("jobs.publish.blocked"));
            Assert.Equal(1, measured.Sum("jobs.publish.pending"));
            Assert.Equal(HealthStatus.Healthy, (await Bench.HealthAsync(host, "live")).Status);
        }
        finally
        {
            await brokers.Broker.ControlAsync("set_vm_memory_high_watermark", "0.6");
        }

        await call.WaitAsync(Soon, TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => bench.Logged(Unblocked) == 1, Soon, "the end to be logged");
        Assert.Equal(1, bench.Logged(Blocked));
        Assert.Equal((0, 0), (measured.Sum("jobs.publish.blocked"), measured.Sum("jobs.publish.pending")));
        Assert.DoesNotContain("blocked", (await Bench.HealthAsync(host, "ready")).Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_confirm_is_timed()
    {
        var host = bench.Host();
        await Bench.Jobs(host).EnqueueManyAsync(Enumerable.Range(0, 20).Select(_ => ProbeTask.Job()), TestContext.Current.CancellationToken);
        var (count, sum) = measured.Histogram("jobs.confirm.duration", ("messaging.destination.name", bench.Queue), ("messaging.system", "rabbitmq"));
        Assert.Equal(20, count);
        Assert.InRange(sum, 0.000_001, 20);
        Assert.Equal(20, measured.Sum("messaging.client.sent.messages", ("messaging.destination.name", bench.Queue), ("messaging.system", "rabbitmq")));
    }
}
