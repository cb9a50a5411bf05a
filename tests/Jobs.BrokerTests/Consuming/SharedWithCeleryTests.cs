using System.Runtime.CompilerServices;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Consuming;

/// <summary>One queue that both sides declare: the Celery 5.2 that is installed here, and a worker of ours. The lines of Python are those of the package's README.</summary>
[Trait("Needs", "once")] // the broker takes its time to show a policy
public sealed class SharedWithCeleryTests(BrokerFixture brokers) : IAsyncDisposable
{
    const string Quorum = "app.conf.task_queues = [Queue(queue, queue_arguments={'x-queue-type': 'quorum'})]";

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Theory]
    [InlineData(true, Quorum)]
    [InlineData(false, Quorum)]
    [InlineData(false, "app.conf.task_queues = [Queue(queue, no_declare=True)]")]
    public async Task A_job_of_real_celery_runs_whoever_declares_the_queue_first(bool celeryIsFirst, string line)
    {
        var task = new ProbeTask();
        var worker = bench.Host(rabbit: Shared, task: task);
        if (celeryIsFirst)
        {
            await SendAsync(line);
            await bench.StartedAsync(worker);
        }
        else
        {
            await bench.StartedAsync(worker);
            await SendAsync(line);
        }

        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the job to run");
        Assert.Equal(("sent", 7), Assert.Single(task.Arguments));
        Assert.Equal(0, await bench.CountAsync(bench.DeadQueue));
    }

    /// <summary>What happens without one of the lines, in a virtual host whose default is classic.</summary>
    [Fact]
    public async Task A_celery_that_declares_no_arguments_meets_406()
    {
        await bench.StartedAsync(bench.Host(rabbit: Shared, task: new ProbeTask()));

        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => SendAsync(""));

        Assert.Contains("PRECONDITION_FAILED", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_celery_that_declares_no_arguments_fits_where_quorum_is_the_default_of_the_virtual_host()
    {
        brokers.RequireControl();

        var name = $"{bench.Prefix}-quorum";
        await brokers.Broker.ControlAsync("add_vhost", name, "--default-queue-type", "quorum");
        try
        {
            await brokers.Broker.ControlAsync("set_permissions", "-p", name, brokers.Broker.AmqpUri.UserInfo.Split(':')[0], ".*", ".*", ".*");
            var uri = new UriBuilder(brokers.Broker.AmqpUri) { Path = name }.Uri.ToString();
            var task = new ProbeTask();
            await bench.StartedAsync(bench.Host(uri, Shared, task: task));

            await SendAsync("", uri);

            await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the job to run");
            await bench.StopHostsAsync();
        }
        finally
        {
            await brokers.Broker.ControlAsync("delete_vhost", name);
        }
    }

    /// <summary>Celery 5.2 sets its prefetch for the channel, which a quorum queue refuses (540); the step of the README sets it for the consumer.</summary>
    [Fact]
    public async Task A_worker_of_real_celery_with_the_step_of_the_readme_runs_what_is_enqueued_here()
    {
        var results = Path.GetTempFileName();
        var dispatcher = Bench.Jobs(bench.Host(rabbit: Shared));
        await dispatcher.EnqueueAsync(new Job<int>("tasks.add", [2, 2]) with { Id = "now", Queue = bench.Queue }, TestContext.Current.CancellationToken);
        var worker = Python.OfThisMachine.Start(bench, $"""
            from celery import Celery
            from kombu import Queue
            app = Celery(broker=uri)
            {Quorum}
            @app.task(name='tasks.add', bind=True)
            def add(self, x, y):
                with open('{results}', 'a') as file:
                    file.write(self.request.id + ' ' + str(x + y) + '\n')
            {StepOfTheReadme()}
            app.worker_main(['worker', '-P', 'solo', '--prefetch-multiplier', '3', '-c', '1', '--without-mingle', '--without-gossip', '-Q', queue])
            """);
        try
        {
            await dispatcher.EnqueueAsync(new Job<int>("tasks.add", [40, 2]) with { Id = "later", Queue = bench.Queue, Delay = TimeSpan.FromSeconds(1) }, TestContext.Current.CancellationToken);

            await Eventually.BecomesAsync(() => File.ReadAllLines(results).Length == 2, Soon, "Celery's worker to run both");
            Assert.Equal(["now 4", "later 42"], File.ReadAllLines(results));
            await Eventually.BecomesAsync(async () => await PrefetchAsync() == 3, Soon, "the consumer to have a prefetch of 3");
        }
        finally
        {
            await worker.DisposeAsync();
            File.Delete(results);
        }
    }

    void Shared(RabbitMqOptions rabbit) => (rabbit.CeleryQueues, rabbit.ManagementUri) = ([bench.Queue], brokers.Broker.ManagementUri.ToString());

    Task SendAsync(string line, string? uri = null) => Python.OfThisMachine.RunAsync(
        bench,
        $$"""
        from celery import Celery
        from kombu import Queue
        app = Celery(broker=uri)
        {{line}}
        app.send_task('probe.run', args=['sent'], kwargs={'number': 7}, queue=queue, retry=False)
        """,
        uri);

    async Task<int?> PrefetchAsync() => (await brokers.Broker.ManagementAsync("api/consumers/%2F")).EnumerateArray()
        .Where(consumer => consumer.GetProperty("queue").GetProperty("name").GetString() == bench.Queue)
        .Select(consumer => (int?)consumer.GetProperty("prefetch_count").GetInt32())
        .SingleOrDefault();

    static string StepOfTheReadme([CallerFilePath] string here = "")
    {
        const string Begin = "```python\n";
        var readme = File.ReadAllText(Path.Combine(Path.GetDirectoryName(here)!, "../../../src/Jobs.RabbitMQ/README.md"));
        var block = readme[(readme.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length)..];
        return block[..block.IndexOf("```", StringComparison.Ordinal)];
    }
}
