using System.Text.Json;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Events;

/// <summary>
/// What real Celery makes of our events: the state that Flower, <c>celery events</c> and exporters keep, and the lines
/// of <c>celery events --dump</c>.
/// </summary>
public sealed class CeleryEventTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);
    readonly ContractBench tasks = new();
    readonly string told = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.told");

    string Exchange => $"{bench.Prefix}.events";

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await bench.DisposeAsync();
        File.Delete(told);
    }

    [Fact]
    public async Task Celery_knows_our_workers_and_what_became_of_their_jobs()
    {
        await StartWorkerAsync("news@web1", EventLevel.All);

        var state = await CaptureAsync("""
            def begin():
                app.send_task('contract.add', args=(2, 3), kwargs={}, task_id='good', queue=queue)
                app.send_task('contract.fail', args=("it's torn",), task_id='bad', queue=queue)
                app.send_task('contract.flaky', kwargs={'failures': 1}, task_id='flaky', queue=queue)
                app.send_task('contract.note', args=('x',), task_id='late', queue=queue, headers={'expires': '2020-01-01T00:00:00+00:00'})
            def is_done():
                tasks = state.tasks
                return all(t in tasks and tasks[t].state == s for t, s in
                           [('good', 'SUCCESS'), ('bad', 'FAILURE'), ('flaky', 'SUCCESS'), ('late', 'REVOKED')]) and beats > 2 and any(w.processed == 4 for w in state.workers.values())
            """);

        var worker = state.GetProperty("workers").GetProperty("news@web1");
        Assert.True(worker.GetProperty("alive").GetBoolean());
        Assert.Equal(("jobs", "Linux"), (Text(worker, "sw_ident"), Text(worker, "sw_sys")));
        Assert.Equal((2.0, 8), (worker.GetProperty("freq").GetDouble(), worker.GetProperty("slots").GetInt32()));
        Assert.Equal((0, 4), (worker.GetProperty("active").GetInt32(), worker.GetProperty("processed").GetInt32())); // the expired one did not begin
        Assert.Equal(3, worker.GetProperty("loadavg").GetArrayLength());
        Assert.Equal([bench.Queue], worker.GetProperty("queues").EnumerateArray().Select(queue => queue.GetString()));

        var good = state.GetProperty("tasks").GetProperty("good");
        Assert.Equal(("SUCCESS", "contract.add", "5"), (Text(good, "state"), Text(good, "name"), Text(good, "result")));
        Assert.Equal(("(2, 3)", "{}"), (Text(good, "args"), Text(good, "kwargs")));
        Assert.Equal((bench.Queue, "good", "news@web1"), (Text(good, "queue"), Text(good, "root_id"), Text(good, "worker")));
        Assert.True(good.GetProperty("runtime").GetDouble() > 0);
        Assert.True(good.GetProperty("received").GetDouble() <= good.GetProperty("started").GetDouble());
        var bad = state.GetProperty("tasks").GetProperty("bad");
        Assert.Equal(("FAILURE", """InvalidOperationException("it's torn")"""), (Text(bad, "state"), Text(bad, "exception")));
        Assert.Contains("ContractTasks.Fail", Text(bad, "traceback"), StringComparison.Ordinal);
        var flaky = state.GetProperty("tasks").GetProperty("flaky");
        Assert.Equal(("SUCCESS", 1), (Text(flaky, "state"), flaky.GetProperty("retries").GetInt32()));
        Assert.True(flaky.GetProperty("retried").GetDouble() > 0);
        Assert.Equal("REVOKED", Text(state.GetProperty("tasks").GetProperty("late"), "state"));
        Assert.Contains("jobs-counts", state.GetProperty("types").EnumerateArray().Select(type => type.GetString())); // Celery bears it
        Assert.Equal([0, 0], state.GetProperty("skew").EnumerateArray().Select(hours => (int)Math.Round(hours.GetDouble())));
    }

    [Fact]
    public async Task By_default_a_failed_job_is_whole_in_Celery_and_a_good_one_is_not_told()
    {
        await StartWorkerAsync("news@web2", EventLevel.Default);

        var state = await CaptureAsync("""
            def begin():
                app.send_task('contract.add', args=(2, 3), task_id='good', queue=queue)
                app.send_task('contract.fail', args=('torn',), kwargs={}, task_id='bad', queue=queue)
            def is_done():
                return 'bad' in state.tasks and state.tasks['bad'].state == 'FAILURE' and any(w.processed == 2 for w in state.workers.values())
            """);

        var bad = state.GetProperty("tasks").GetProperty("bad");
        Assert.Equal(("FAILURE", "contract.fail", "('torn',)", "{}"), (Text(bad, "state"), Text(bad, "name"), Text(bad, "args"), Text(bad, "kwargs")));
        Assert.Equal((bench.Queue, "bad"), (Text(bad, "queue"), Text(bad, "root_id")));
        Assert.False(state.GetProperty("tasks").TryGetProperty("good", out _));
        Assert.Equal(2, state.GetProperty("workers").GetProperty("news@web2").GetProperty("processed").GetInt32());
    }

    [Fact]
    public async Task A_worker_that_stops_is_gone_at_once()
    {
        var host = await StartWorkerAsync("news@web3", EventLevel.Default);

        var capturing = CaptureAsync($$"""
            def begin():
                open('{{told}}', 'w').close()
            def is_done():
                return offline
            """);
        await Eventually.BecomesAsync(() => File.Exists(told), Soon, "Celery to see a heartbeat");
        await host.StopAsync(Cancellation);

        Assert.False((await capturing).GetProperty("workers").GetProperty("news@web3").GetProperty("alive").GetBoolean());
    }

    [Fact]
    public async Task Celery_dumps_our_events()
    {
        await StartWorkerAsync("news@web4", EventLevel.All);

        var lines = await Python.OfThisMachine.RunAsync(bench, $"""
            {Application}
            import sys
            from celery.events.dumper import Dumper
            dumper = Dumper(out=sys.stdout)
            begun = False
            def handle(event):
                global begun
                kind = event['type']
                dumper.on_event(dict(event))
                if kind == 'worker-heartbeat' and not begun:
                    begun = True
                    app.send_task('contract.add', args=(2, 3), task_id='good', queue=queue)
                if kind == 'task-succeeded':
                    raise SystemExit
            with app.connection_for_read() as connection:
                app.events.Receiver(connection, handlers=dict([('*', handle)])).capture(timeout=30, wakeup=False)
            """);

        Assert.Contains("news@web4", lines, StringComparison.Ordinal);
        Assert.Contains("heartbeat: active=0, clock=", lines, StringComparison.Ordinal);
        Assert.Contains("task received: contract.add(good) args=(2, 3) kwargs={}", lines, StringComparison.Ordinal);
        Assert.Contains("task succeeded: contract.add(good) args=(2, 3) kwargs={}", lines, StringComparison.Ordinal);
    }

    Task<IHost> StartWorkerAsync(string name, EventLevel events) => bench.StartedAsync(bench.Host(
        rabbit: rabbit => rabbit.EventExchange = Exchange,
        jobs: options => options.Events = events,
        more: jobs =>
        {
            jobs.Services.AddSingleton(tasks);
            jobs.AddTasks<ContractTasks>().AddWorker(worker => (worker.Queues, worker.Concurrency, worker.Name) = ([bench.Queue], 8, name));
        }));

    string Application => $"""
        from celery import Celery
        from kombu import Exchange, Queue
        app = Celery(broker=uri)
        app.conf.event_exchange = '{Exchange}'
        app.conf.timezone = 'Asia/Tokyo' # no time may move by it
        app.conf.task_queues = [Queue(queue, Exchange(''), routing_key=queue, no_declare=True)]
        """;

    /// <summary>
    /// Feeds Celery's own state, calls <c>begin</c> at the first heartbeat, and returns the state when <c>is_done</c>.
    /// </summary>
    async Task<JsonElement> CaptureAsync(string script)
    {
        var printed = await Python.OfThisMachine.RunAsync(bench, $$"""
            {{Application}}
            import json, time
            state = app.events.State()
            beats, offline, types, skews = 0, False, set(), []
            {{script.ReplaceLineEndings("\n")}}
            def handle(event):
                global beats, offline
                state.event(event)
                types.add(event['type'])
                skews.append((event['timestamp'] - time.time()) / 3600)
                if event['type'] == 'worker-heartbeat':
                    beats += 1
                    if beats == 1:
                        begin()
                offline = offline or event['type'] == 'worker-offline'
                if is_done():
                    raise SystemExit
            def plain(o):
                named = ((k, getattr(o, k, None)) for k in list(o._fields) + list(o.__dict__))
                return {k: v for k, v in named if isinstance(v, (str, int, float, list, type(None)))}
            try:
                with app.connection_for_read() as connection:
                    app.events.Receiver(connection, handlers={'*': handle}).capture(timeout=30, wakeup=False)
            finally:
                workers = {n: dict(plain(w), alive=w.alive) for n, w in state.workers.items()}
                tasks = {n: dict(plain(t), worker=t.worker and t.worker.hostname) for n, t in state.tasks.items()}
                print(json.dumps(dict(workers=workers, tasks=tasks, types=sorted(types), skew=[min(skews), max(skews)])))
            """);
        using var document = JsonDocument.Parse(printed);
        return document.RootElement.Clone();
    }

    static string? Text(JsonElement of, string name) => of.GetProperty(name).GetString();
}
