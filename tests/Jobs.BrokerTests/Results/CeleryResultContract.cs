using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client.Exceptions;

namespace Jobs.BrokerTests.Results;

/// <summary>Results, chains and callbacks between C# and a real Celery. celery-protocol.md §4, §8, §15.</summary>
public abstract class CeleryResultContract(BrokerFixture brokers) : IAsyncDisposable
{
    const int ReplyDropped = 424;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);
    readonly ContractBench tasks = new();
    readonly List<IAsyncDisposable> workers = [];

    private protected abstract Python Python { get; }

    /// <summary>Every script fails when its Celery is older than this.</summary>
    protected abstract Version Oldest { get; }

    string Celery => $"{bench.Prefix}.celery";

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        foreach (var worker in workers)
        {
            await worker.DisposeAsync();
        }

        await bench.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Python_gets_what_a_task_in_csharp_returns_and_what_it_throws()
    {
        await StartWorkerAsync();

        var said = await PythonAsync("""
            print(app.send_task('contract.add', args=[2, 3], queue=queue).get(timeout=30))
            print(app.send_task('contract.headline', args=['Rain again'], queue=queue).get(timeout=30))
            print(app.send_task('contract.note', args=['x'], queue=queue).get(timeout=30))
            print(app.send_task('contract.add', args=[40, 2], queue=queue, compression='gzip').get(timeout=30))
            try:
                app.send_task('contract.fail', args=['out of ink'], queue=queue).get(timeout=30)
            except Exception as e:
                print(type(e).__module__, type(e).__name__, e.args)
            result = app.send_task('contract.nothing', queue=queue)
            try:
                result.get(timeout=30)
            except Exception as e:
                print(type(e).__name__)
            """);

        Assert.Equal(
            ["5", "{'Title': 'Rain again', 'Words': 2}", "None", "42", "celery.exceptions InvalidOperationException ('out of ink',)", "NotRegistered"],
            said.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
    }

    [Fact]
    public async Task Csharp_gets_what_a_task_in_python_returns_and_what_it_throws()
    {
        await StartCeleryAsync();
        var dispatcher = Bench.Jobs(bench.Host());

        Assert.Equal(4, await dispatcher.CallAsync(new Job<int>("tasks.add", [2, 2]) with { Queue = Celery }, Soon, Cancellation));
        var thrown = await Assert.ThrowsAsync<JobFailedException>(
            () => dispatcher.CallAsync(new Job<int>("tasks.fail", ["bad"]) with { Queue = Celery }, Soon, Cancellation));
        Assert.Equal(("builtins.ValueError", "bad, 42"), (thrown.Error!.Type, thrown.Error.Message));
        Assert.Contains("Traceback", thrown.Error.Stack, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chain_goes_from_csharp_to_python_and_back()
    {
        await StartWorkerAsync();
        await StartCeleryAsync();
        var dispatcher = Bench.Jobs(bench.Host(jobs: options => options.Routes["tasks.*"] = Celery));
        var add = new Step<int, int>("tasks.add", [10]);

        var chain = ContractJobs.Add(1, 2).Then(add).Then(new Step<int, int>("contract.add", [100])).Then(add);

        Assert.Equal(123, await dispatcher.CallAsync(chain, Soon, Cancellation));
        Assert.Equal(["3", "113"], tasks.Runs.Select(run => run.Argument));
        var thrown = await Assert.ThrowsAsync<JobFailedException>(
            () => dispatcher.CallAsync(ContractJobs.Add(1, 2).Then(new Step<int, int>("tasks.fail")).Then(add), Soon, Cancellation));
        Assert.Equal("builtins.ValueError", thrown.Error!.Type); // Celery tells the later links too
    }

    [Fact]
    public async Task A_chain_with_immutable_links_and_callbacks_of_python_goes_through_csharp()
    {
        await StartWorkerAsync();
        await StartCeleryAsync();

        var said = await PythonAsync($$"""
            from celery import chain, signature as sig
            def cs(name, *args, immutable=False, **options):
                return sig(name, args=args, options=dict(queue=queue, **options), app=app, immutable=immutable)
            def py(name, *args, immutable=False):
                return sig(name, args=args, options=dict(queue='{{Celery}}'), app=app, immutable=immutable)
            print(chain(cs('contract.add', 1, 2), py('tasks.add', 10), cs('contract.add', 100)).apply_async().get(timeout=30))
            print(chain(cs('contract.note', 'first'), cs('contract.add', 4, 5, immutable=True)).apply_async().get(timeout=30))
            cs('contract.add', 20, 1, link=[py('tasks.write')], link_error=[py('tasks.write')]).apply_async().get(timeout=30)
            failed = cs('contract.fail', 'torn', link=[py('tasks.write')], link_error=[py('tasks.write')]).apply_async()
            chained = chain(cs('contract.fail', 'torn'), py('tasks.add', 10)).apply_async()
            try:
                chained.get(timeout=30)
            except Exception as e:
                print(type(e).__name__, e)
            print(failed.id)
            """);

        var lines = said.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Assert.Equal(["113", "9", "InvalidOperationException torn"], lines[..3]);
        await Eventually.BecomesAsync(() => Written().Length == 2, Soon, "Celery's worker to run callback and errback");
        Assert.Equal(new[] { "21", lines[3] }.Order(StringComparer.Ordinal), Written().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_failure_in_python_is_told_to_csharp_and_a_failure_in_csharp_to_python()
    {
        await StartWorkerAsync();
        await StartCeleryAsync();
        var dispatcher = Bench.Jobs(bench.Host());
        var tellCsharp = new Step<string>("contract.note") with { Queue = bench.Queue };
        var tellPython = new Step<string>("tasks.write") with { Queue = Celery };

        var inPython = await dispatcher.EnqueueAsync((new Job<int>("tasks.fail", ["bad"]) with { Queue = Celery }).OnFailure(tellCsharp), Cancellation);
        var inCsharp = await dispatcher.EnqueueAsync(new Job<int>("contract.fail", ["torn"]).OnFailure(tellPython), Cancellation);
        var said = await PythonAsync($"""
            from celery import signature as sig
            tell = sig('contract.note', options=dict(queue=queue), app=app)
            failed = sig('tasks.fail', args=['bad'], options=dict(queue='{Celery}', link_error=[tell]), app=app).apply_async()
            try:
                failed.get(timeout=30)
            except ValueError:
                print(failed.id)
            """);

        await Eventually.BecomesAsync(() => tasks.Runs.Count == 3 && Written().Length == 1, Soon, "the errbacks to run");
        Assert.Equal(
            new[] { inPython.Id, said.Trim() }.Order(StringComparer.Ordinal),
            tasks.Runs.Where(run => run.Task == "contract.note").Select(run => run.Argument).Order(StringComparer.Ordinal));
        Assert.Equal([inCsharp.Id], Written());
    }

    [Fact]
    public async Task A_caller_in_python_without_a_result_backend_holds_nothing_up()
    {
        await StartWorkerAsync();

        await Python.RunAsync(bench, $"""
            {Checked}
            from celery import Celery
            from kombu import Exchange, Queue
            app = Celery(broker=uri, broker_transport_options=dict(confirm_publish=True)) # or the last jobs may go with the process
            app.conf.task_queues = [Queue(queue, Exchange(''), routing_key=queue, no_declare=True)]
            for i in range(20):
                app.send_task('contract.add', args=[i, 1], queue=queue)
            """);

        await Eventually.BecomesAsync(() => tasks.Runs.Count == 20, Soon, "all jobs to run");
        await bench.HoldsAsync(bench.Queue, 0);
        Assert.Equal(20, tasks.Runs.Select(run => run.Id).Distinct().Count()); // each once: nothing was given back
        Assert.Equal(1, bench.Logged(ReplyDropped)); // its 20 messages name one queue, which does not exist
    }

    string Output => Path.Combine(Path.GetTempPath(), $"{bench.Prefix}.txt");

    string[] Written() => File.Exists(Output) ? File.ReadAllLines(Output) : [];

    async Task StartWorkerAsync() => await bench.StartedAsync(bench.Host(
        jobs: options => options.Routes["tasks.*"] = Celery,
        more: jobs =>
        {
            jobs.Services.AddSingleton(tasks);
            jobs.AddTasks<ContractTasks>().AddWorker(worker => worker.Queues = [bench.Queue]);
        }));

    async Task StartCeleryAsync()
    {
        workers.Add(Python.Start(bench, $$"""
            {{Application}}
            @app.task(name='tasks.add')
            def add(x, y):
                return x + y
            @app.task(name='tasks.fail')
            def fail(why):
                raise ValueError(why, 42)
            @app.task(name='tasks.write')
            def write(value):
                with open('{{Output}}', 'a') as file:
                    file.write(f'{value}\n')
            app.worker_main(['worker', '-P', 'solo', '--without-mingle', '--without-gossip', '--without-heartbeat', '-Q', '{{Celery}}'])
            """));
        await Eventually.BecomesAsync(ExistsAsync, Soon, "Celery to declare its queue");

        async Task<bool> ExistsAsync()
        {
            await using var channel = await bench.ChannelAsync();
            try
            {
                await channel.QueueDeclarePassiveAsync(Celery, Cancellation);
                return true;
            }
            catch (OperationInterruptedException)
            {
                return false;
            }
        }
    }

    string Checked => $"import celery; assert celery.VERSION[:2] >= ({Oldest.Major}, {Oldest.Minor}), celery.__version__";

    string Application => $"""
        {Checked}
        from celery import Celery
        from kombu import Exchange, Queue
        app = Celery(broker=uri, backend='rpc://')
        app.conf.task_queues = [Queue('{Celery}', Exchange(''), routing_key='{Celery}', auto_delete=False),
                                Queue(queue, Exchange(''), routing_key=queue, no_declare=True)]
        """;

    Task<string> PythonAsync(string script) => Python.RunAsync(bench, $"{Application}\n{script.ReplaceLineEndings("\n")}");
}
