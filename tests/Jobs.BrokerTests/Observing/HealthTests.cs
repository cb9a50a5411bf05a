using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.RabbitMQ;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs.BrokerTests.Observing;

/// <summary>The health checks over a real broker, and over a network that breaks.</summary>
public sealed class HealthTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task A_process_that_only_enqueues_is_ready_before_its_first_job()
    {
        var proxy = bench.Proxy();
        var host = bench.Host(proxy);
        Assert.Equal(0, proxy.ConnectionsAccepted);

        var ready = await Bench.HealthAsync(host, "ready");

        Assert.Equal((HealthStatus.Healthy, "Jobs can be enqueued."), (ready.Status, ready.Description));
        Assert.Equal(1, proxy.ConnectionsAccepted);
        Assert.Equal("rabbitmq", ready.Data["transport"]);
    }

    [Fact]
    public async Task A_broker_that_does_not_answer_makes_a_new_process_unready_within_its_patience_and_it_becomes_ready_by_itself()
    {
        var proxy = bench.Proxy();
        proxy.AcceptAndStaySilent = true;
        var host = bench.Host(proxy);
        Options(host).ConnectWait = TimeSpan.FromMilliseconds(200);

        await SaysAsync(host, "ready", HealthStatus.Unhealthy, "the first attempt has not ended");
        await BecomesAsync(host, "ready", HealthStatus.Unhealthy, "did not answer within 00:00:03"); // the bench's ConnectTimeout
        await SaysAsync(host, "live", HealthStatus.Healthy, "");
        proxy.AcceptAndStaySilent = false;
        await BecomesAsync(host, "ready", HealthStatus.Healthy, "Jobs can be enqueued.");
    }

    [Fact]
    public async Task A_worker_that_is_cut_off_is_unready_but_alive_and_ready_again_when_the_broker_is_back()
    {
        var proxy = bench.Proxy();
        var host = await bench.StartedAsync(bench.Host(proxy, task: new ProbeTask()));
        await BecomesAsync(host, "ready", HealthStatus.Healthy, "Jobs can be enqueued. The worker takes jobs.");

        proxy.RefuseNew();
        proxy.ResetAll();

        await BecomesAsync(host, "ready", HealthStatus.Unhealthy, "Jobs cannot be enqueued: no connection for");
        await BecomesAsync(host, "ready", HealthStatus.Unhealthy, "The worker gets no jobs: no connection for");
        await BecomesAsync(host, "live", HealthStatus.Healthy, "The broker is away");
        proxy.AcceptNew();
        await BecomesAsync(host, "ready", HealthStatus.Healthy, "Jobs can be enqueued. The worker takes jobs.");
        await BecomesAsync(host, "live", HealthStatus.Healthy, "slots are busy");
    }

    [Fact]
    public async Task A_refused_password_is_the_reason()
    {
        var host = bench.Host(new UriBuilder(brokers.Broker.AmqpUri) { Password = "wrong" }.Uri.ToString());
        await BecomesAsync(host, "ready", HealthStatus.Unhealthy, "refused the user name or password");
    }

    [Fact]
    public async Task A_confirm_that_does_not_come_is_degraded_while_it_is_awaited()
    {
        var proxy = bench.Proxy();
        var host = bench.Host(proxy);
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await SaysAsync(host, "ready", HealthStatus.Healthy, "");
        Options(host).SlowConfirm = TimeSpan.FromSeconds(1);

        proxy.StallServerToClient();
        var call = Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await BecomesAsync(host, "ready", HealthStatus.Degraded, "to confirm a job (SlowConfirm is 1 s); 1 jobs wait");

        proxy.Resume();
        await call;
    }

    // Or a process that is taken out of service for a slow confirm, and so publishes nothing, would never come back.
    [Fact]
    public void A_slow_confirm_is_forgotten()
    {
        var second = TimeProvider.System.TimestampFrequency;
        var times = new ConfirmTimes(TimeProvider.System);
        times.Add(TimeSpan.FromSeconds(9), 100 * second);
        times.Add(TimeSpan.FromMilliseconds(1), 101 * second);
        Assert.Equal(TimeSpan.FromSeconds(9), times.Slowest(130 * second));
        Assert.Equal(TimeSpan.Zero, times.Slowest(131 * second));
        times.Add(TimeSpan.FromMilliseconds(2), 140 * second);
        Assert.Equal(TimeSpan.FromMilliseconds(2), times.Slowest(141 * second));
    }

    static JobsHealthOptions Options(IHost host) => host.Services.GetRequiredService<IOptions<JobsHealthOptions>>().Value;

    static async Task SaysAsync(IHost host, string tag, HealthStatus status, string reason)
    {
        var entry = await Bench.HealthAsync(host, tag);
        Assert.Equal(status, entry.Status);
        Assert.Contains(reason, entry.Description, StringComparison.Ordinal);
    }

    static async Task BecomesAsync(IHost host, string tag, HealthStatus status, string reason)
    {
        HealthReportEntry last = default;
        try
        {
            await Eventually.BecomesAsync(
                async () => (last = await Bench.HealthAsync(host, tag)).Status == status && last.Description!.Contains(reason, StringComparison.Ordinal), Soon, $"{tag} to be {status}: {reason}");
        }
        catch (TimeoutException e)
        {
            Assert.Fail($"{e.Message} It is {last.Status}: {last.Description}");
        }
    }
}
