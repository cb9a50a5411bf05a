using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Starting;

/// <summary>A user who may read and write, and declare nothing. (EasyNetQ #1000, bunny #613, silverback #236)</summary>
public sealed class LeastPrivilegeTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task With_queues_made_by_somebody_else_jobs_run_wait_and_die_without_the_right_to_declare()
    {
        brokers.RequireControl();

        // The administrator: what a host with all rights declares.
        var made = Bench.Jobs(bench.Host());
        await made.EnqueueAsync(ProbeTask.Job("made") with { Delay = TimeSpan.FromSeconds(1) }, TestContext.Current.CancellationToken);
        await bench.HoldsAsync(bench.Queue, 1);
        await bench.DrainAsync(bench.Queue);

        var user = $"{bench.Prefix}-user";
        await brokers.Broker.ControlAsync("add_user", user, "secret");
        await brokers.Broker.ControlAsync("set_permissions", "-p", "/", user, "^$", ".*", ".*");
        try
        {
            var uri = new UriBuilder(brokers.Broker.AmqpUri) { UserName = user, Password = "secret" }.Uri.ToString();
            var task = new ProbeTask((_, text) => text == "die" ? throw new InvalidOperationException("as it must") : ValueTask.CompletedTask);
            var host = await bench.StartedAsync(bench.Host(uri, rabbit => rabbit.Declare = DeclareMode.Passive, jobs => jobs.MaxRetries = 0, task));
            var dispatcher = Bench.Jobs(host);
            await dispatcher.EnqueueAsync(ProbeTask.Job("now") with { Id = "now" }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
            await dispatcher.EnqueueAsync(ProbeTask.Job("later") with { Id = "later", Delay = TimeSpan.FromSeconds(1) }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
            await dispatcher.EnqueueAsync(ProbeTask.Job("die") with { Id = "die" }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);

            await Eventually.BecomesAsync(() => task.Arguments.Select(a => a.Text).Order(StringComparer.Ordinal).SequenceEqual(["die", "later", "now"]), Soon, "each job to run once");
            await bench.HoldsAsync(bench.DeadQueue, 1);
            Assert.Equal(["die"], (await bench.DrainIdsAsync(bench.DeadQueue)).Keys);
        }
        finally
        {
            await brokers.Broker.ControlAsync("delete_user", user);
        }
    }
}
