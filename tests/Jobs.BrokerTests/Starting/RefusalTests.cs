using System.Diagnostics;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.BrokerTests.Starting;

/// <summary>A broker that refuses for good is an error at once; one that is away is waited for. rabbitmq.md §2.2, §2.6 (#1999: the virtual host is looked at after the handshake).</summary>
public sealed class RefusalTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    string Uri(string user, string path) => new UriBuilder(brokers.Broker.AmqpUri) { UserName = user, Password = "wrong", Path = path }.Uri.ToString();

    string RightUser(string path) => new UriBuilder(brokers.Broker.AmqpUri) { Path = path }.Uri.ToString();

    [Fact]
    public async Task A_wrong_password_stops_a_worker_at_its_start_and_is_not_written()
    {
        var exception = await Assert.ThrowsAsync<JobTransportException>(() => bench.StartedAsync(bench.Host(Uri("guest", "/"), task: new ProbeTask())));
        Assert.False(exception.IsTransient);
        Assert.Contains("user name or password", exception.Message, StringComparison.Ordinal);
        Assert.Contains("RabbitMqOptions.Uri", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(bench.Warnings.Append(exception.ToString()), w => w.Contains("wrong", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_wrong_password_fails_an_enqueue_at_once_and_again()
    {
        var dispatcher = Bench.Jobs(bench.Host(Uri("guest", "/")));
        for (var i = 0; i < 2; i++)
        {
            var watch = Stopwatch.StartNew();
            var exception = await Assert.ThrowsAsync<JobPublishException>(() => dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken));
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"it took {watch.Elapsed}");
            Assert.Equal((false, false), (exception.IsTransient, exception.MaybeEnqueued));
            Assert.Contains("user name or password", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_wrong_virtual_host_stops_a_worker_at_its_start()
    {
        for (var i = 0; i < 5; i++) // the shutdown of the connection and the failure of the channel race
        {
            var exception = await Assert.ThrowsAsync<JobTransportException>(() => bench.StartedAsync(bench.Host(RightUser("nowhere"), task: new ProbeTask())));
            Assert.False(exception.IsTransient);
            Assert.Contains("'nowhere'", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_wrong_virtual_host_fails_an_enqueue_at_once()
    {
        for (var i = 0; i < 5; i++)
        {
            var dispatcher = Bench.Jobs(bench.Host(RightUser("nowhere"), jobs: o => o.EnqueueTimeout = TimeSpan.FromSeconds(10)));
            var exception = await Assert.ThrowsAsync<JobPublishException>(() => dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken));
            Assert.Equal((false, false), (exception.IsTransient, exception.MaybeEnqueued));
            Assert.Contains("'nowhere'", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_worker_behind_a_dead_first_host_still_learns_of_a_wrong_password_at_its_start()
    {
        var dead = bench.Proxy();
        dead.RefuseNew();
        for (var i = 0; i < 4; i++) // the order is random
        {
            var right = brokers.Broker.AmqpUri;
            var uri = $"amqp://guest:wrong@127.0.0.1:{dead.Port},{right.Host}:{right.Port}";
            await Assert.ThrowsAsync<JobTransportException>(() => bench.StartedAsync(bench.Host(uri, task: new ProbeTask())));
        }
    }

    /// <summary>A web application would not answer for as long as all hosts have their turn. (MassTransit #1644)</summary>
    [Fact]
    public async Task Three_hosts_that_accept_and_stay_silent_do_not_hold_up_the_start_of_a_host()
    {
        var silent = Enumerable.Range(0, 3).Select(_ => bench.Proxy()).ToArray();
        Array.ForEach(silent, proxy => proxy.AcceptAndStaySilent = true);
        var uri = $"amqp://guest:guest@{string.Join(',', silent.Select(proxy => $"127.0.0.1:{proxy.Port}"))}";
        var host = bench.Host(uri, rabbit => rabbit.ConnectTimeout = TimeSpan.FromMinutes(2), task: new ProbeTask());

        await bench.StartedAsync(host).WaitAsync(Soon, TestContext.Current.CancellationToken); // not the two minutes of the first of them
    }

    [Fact]
    public async Task A_refusal_that_comes_after_the_broker_was_away_is_logged()
    {
        var proxy = bench.Proxy();
        proxy.RefuseNew();
        await bench.StartedAsync(bench.Host(proxy.Through(new(Uri("guest", "/"))).ToString(), task: new ProbeTask()));
        proxy.AcceptNew();
        await Eventually.BecomesAsync(() => bench.Warnings.Any(w => w.Contains("user name or password", StringComparison.Ordinal)), Soon, "the refusal to be logged");
    }

    [Fact]
    public async Task A_list_of_schedules_fails_with_the_refusal_and_does_not_wait_for_its_deadline()
    {
        var schedules = bench.Host(Uri("guest", "/"), jobs: o => o.EnqueueTimeout = Timeout.InfiniteTimeSpan).Services.GetRequiredService<JobSchedules>();
        var exception = await Assert.ThrowsAsync<JobTransportException>(() => schedules.ListAsync(TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken));
        Assert.False(exception.IsTransient);
        Assert.Contains("user name or password", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_user_who_may_not_read_the_queue_is_told_so_at_the_start_of_a_worker()
    {
        brokers.RequireControl();

        var user = $"{bench.Prefix}-writer";
        await brokers.Broker.ControlAsync("add_user", user, "wrong");
        await brokers.Broker.ControlAsync("set_permissions", "-p", "/", user, ".*", ".*", "^$");
        try
        {
            var exception = await Assert.ThrowsAsync<JobTransportException>(() => bench.StartedAsync(bench.Host(Uri(user, "/"), task: new ProbeTask())).WaitAsync(Soon, TestContext.Current.CancellationToken));
            Assert.False(exception.IsTransient);
            Assert.Contains(user, exception.Message, StringComparison.Ordinal);
        }
        finally
        {
            await brokers.Broker.ControlAsync("delete_user", user);
        }
    }

    [Fact]
    public async Task A_broker_that_is_away_lets_hosts_start_and_the_enqueue_waits_for_it()
    {
        var proxy = bench.Proxy();
        proxy.RefuseNew();
        var task = new ProbeTask();
        var watch = Stopwatch.StartNew();
        var web = await bench.StartedAsync(bench.Host(proxy));
        var worker = await bench.StartedAsync(bench.Host(proxy, task: task));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(8), $"the start took {watch.Elapsed}");
        var call = Bench.Jobs(web).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        Assert.False(call.IsCompleted);

        proxy.AcceptNew();

        await call.WaitAsync(Soon, TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the job to run");
    }

    // §2.6: several endpoints, in random order.
    [Fact]
    public async Task Of_several_hosts_in_the_uri_the_living_one_is_found()
    {
        var dead = bench.Proxy();
        dead.RefuseNew();
        var right = brokers.Broker.AmqpUri;
        var uri = $"amqp://{right.UserInfo}@127.0.0.1:{dead.Port},nowhere.invalid,{right.Host}:{right.Port}";
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(uri, task: task));
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the job to run");
    }

    [Fact]
    public async Task A_virtual_host_in_the_uri_or_in_the_options_is_used()
    {
        brokers.RequireControl();

        var name = $"{bench.Prefix}/team";
        await brokers.Broker.ControlAsync("add_vhost", name);
        await brokers.Broker.ControlAsync("set_permissions", "-p", name, brokers.Broker.AmqpUri.UserInfo.Split(':')[0], ".*", ".*", ".*");
        try
        {
            var first = bench.Host(RightUser(System.Uri.EscapeDataString(name)));
            await Bench.Jobs(first).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
            var second = bench.Host(RightUser(""), o => o.VirtualHost = name);
            await Bench.Jobs(second).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
            Assert.Equal(2, await Bench.Transport(first).CountAsync(bench.Queue, TestContext.Current.CancellationToken));
            Assert.Equal(-1, await bench.CountAsync(bench.Queue)); // and not in the default one
        }
        finally
        {
            await brokers.Broker.ControlAsync("delete_vhost", name);
        }
    }
}
