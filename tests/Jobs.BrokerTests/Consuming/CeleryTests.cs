using System.Text;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.BrokerTests.Consuming;

/// <summary>Messages from the other side: the Celery and kombu that are installed here, and messages that are nobody's. celery-protocol.md §2, §3.4, §15.</summary>
public sealed class CeleryTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task A_job_of_real_celery_runs_with_positional_and_keyword_arguments()
    {
        var task = new ProbeTask();
        await bench.StartedAsync(bench.Host(task: task));

        await PythonAsync($"""
            from celery import Celery
            from kombu import Exchange, Queue
            app = Celery(broker=uri, broker_transport_options=dict(confirm_publish=True)) # or the last jobs may go with the process
            app.conf.task_queues = [Queue(queue, Exchange(''), routing_key=queue, no_declare=True)]
            for args, kwargs in [(['first', 1], None), (['second'], {"{'number': 2}"}), ([], {"{'number': 3, 'text': 'dritté'}"})]:
                app.send_task('probe.run', args=args, kwargs=kwargs, queue=queue)
            """);

        await Eventually.BecomesAsync(() => task.Total == 3, Soon, "the three jobs to run");
        Assert.Equal([("dritté", 3), ("first", 1), ("second", 2)], task.Arguments.Order());
        Assert.Equal(0, await bench.CountAsync(bench.DeadQueue));
    }

    [Fact]
    public async Task A_countdown_of_real_celery_is_kept_by_the_broker_and_not_by_the_worker()
    {
        var due = DateTimeOffset.MaxValue;
        var at = DateTimeOffset.MinValue;
        var task = new ProbeTask((context, _) =>
        {
            at = DateTimeOffset.UtcNow;
            return ValueTask.CompletedTask;
        });
        await bench.StartedAsync(bench.Host(task: task, worker: o => (o.Concurrency, o.Prefetch) = (1, 1)));

        await PythonAsync("""
            from celery import Celery
            from kombu import Exchange, Queue
            app = Celery(broker=uri, broker_transport_options=dict(confirm_publish=True)) # or the last jobs may go with the process
            app.conf.task_queues = [Queue(queue, Exchange(''), routing_key=queue, no_declare=True)]
            app.send_task('probe.run', args=['later'], countdown=3, queue=queue)
            app.send_task('probe.run', args=['now'], queue=queue)
            """);
        due = DateTimeOffset.UtcNow + TimeSpan.FromSeconds(2); // at least: the clock began before Python ended

        await Eventually.BecomesAsync(() => task.Total == 2, Soon, "both jobs to run");
        Assert.Equal(["now", "later"], task.Arguments.Select(a => a.Text)); // with a prefetch of 1: the early one did not hold the place
        Assert.True(at > due - TimeSpan.FromSeconds(1.5), $"{at:O} is before {due:O}");
    }

    /// <summary>A Celery worker of this version wants a classic queue of its own; publishing takes it as it is.</summary>
    [Fact]
    public async Task A_worker_of_real_celery_runs_what_a_typed_job_by_name_asks_for()
    {
        var (queue, results) = ($"{bench.Prefix}.celery", Path.GetTempFileName());
        var worker = StartPython($$"""
            from celery import Celery
            from kombu import Exchange, Queue
            app = Celery(broker=uri)
            app.conf.task_queues = [Queue('{{queue}}', Exchange(''), routing_key='{{queue}}', auto_delete=False)]
            @app.task(name='tasks.add', bind=True)
            def add(self, x, y, *, note):
                with open('{{results}}', 'a') as file:
                    file.write(f'{self.request.id} {x + y} {note} {self.request.delivery_info["priority"]}\n')
            app.worker_main(['worker', '-P', 'solo', '--without-mingle', '--without-gossip', '--without-heartbeat', '-Q', '{{queue}}'])
            """);
        try
        {
            await Eventually.BecomesAsync(ExistsAsync, Soon, "Celery to declare its queue");
            var dispatcher = Bench.Jobs(bench.Host());
            var keywords = new Dictionary<string, object?> { ["note"] = "dritté" };
            await dispatcher.EnqueueAsync(new Job<int>("tasks.add", [2, 2], keywords) with { Id = "now", Queue = queue, Priority = 5 }, TestContext.Current.CancellationToken);
            await dispatcher.EnqueueAsync(new Job<int>("tasks.add", [40, 2], keywords) with { Id = "later", Queue = queue, Delay = TimeSpan.FromSeconds(1) }, TestContext.Current.CancellationToken);

            await Eventually.BecomesAsync(() => File.ReadAllLines(results).Length == 2, Soon, "Celery's worker to run both");
            Assert.Equal(["now 4 dritté 5", "later 42 dritté 0"], File.ReadAllLines(results).Select(line => line.Replace("None", "0", StringComparison.Ordinal)));
        }
        finally
        {
            await worker.DisposeAsync();
            File.Delete(results);
            await using var channel = await bench.ChannelAsync();
            await channel.QueueDeleteAsync(queue, false, false, cancellationToken: CancellationToken.None);
        }

        async Task<bool> ExistsAsync()
        {
            await using var channel = await bench.ChannelAsync();
            try
            {
                await channel.QueueDeclarePassiveAsync(queue, TestContext.Current.CancellationToken);
                return true;
            }
            catch (OperationInterruptedException)
            {
                return false;
            }
        }
    }

    // §2.2: py-amqp writes what does not fit 32 bits as 'L'. Unknown headers are carried along.
    [Fact]
    public async Task Header_values_that_only_python_would_send_do_not_hurt()
    {
        var headers = new System.Collections.Concurrent.ConcurrentQueue<IReadOnlyDictionary<string, object?>>();
        var task = new ProbeTask((context, _) =>
        {
            headers.Enqueue(context.Headers);
            return context.Attempt == 1 ? throw new InvalidOperationException("once") : ValueTask.CompletedTask;
        });
        await bench.StartedAsync(bench.Host(task: task));

        await PythonAsync("""
            import datetime, decimal
            from kombu import Connection, Producer
            with Connection(uri, transport_options=dict(confirm_publish=True)) as connection: # or the last jobs may go with the process
                producer = Producer(connection.channel())
                producer.publish([['text'], {}, {}], serializer='json', exchange='', routing_key=queue, correlation_id='big', headers={
                    'task': 'probe.run', 'id': 'big', 'retries': 0, 'big': 2**40, 'negative': -2**40, 'edge': 2**31 - 1, 'float': 1.5, 'none': None,
                    'decimal': decimal.Decimal('1.25'), 'time': datetime.datetime(2026, 1, 1), 'nested': {'list': [1, 2**40, 'x', None]}, 'bytes': b'\xff\xfe'})
            """);

        await Eventually.BecomesAsync(() => task.Total == 2, Soon, "the job to run twice");
        Assert.Equal(2, headers.Count);
        foreach (var seen in headers) // on arrival, and after a round trip as a retry copy of ours
        {
            Assert.Equal(1L << 40, seen["big"]);
            Assert.Equal(-(1L << 40), seen["negative"]);
            Assert.Equal(int.MaxValue, seen["edge"]);
            Assert.Equal(1.5, seen["float"]);
            Assert.Equal(1.25m, seen["decimal"]);
            Assert.Null(seen["none"]);
            Assert.Equal(new byte[] { 0xff, 0xfe }, seen["bytes"]);
            Assert.Equal(1L << 40, ((System.Collections.IList)((IDictionary<string, object?>)seen["nested"]!)["list"]!)[1]);
        }
    }

    /// <summary>
    /// At such headers RabbitMQ.Client ends the connection, or its recursion ends the process, and the broker delivers
    /// the message to the next. (rabbitmq-dotnet-client #1572 is of the same kind)
    /// </summary>
    [Fact]
    public async Task Headers_that_the_client_cannot_read_are_dead_letters_and_the_connection_lives_on()
    {
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(task: task));

        await PythonAsync("""
            import decimal, struct, sys
            from kombu import Connection, Producer
            from amqp import serialization
            class Raw(str): pass
            write = serialization._write_item
            def write_raw(v, *rest, **kwargs):
                rest[0](v.encode('latin-1')) if isinstance(v, Raw) else write(v, *rest, **kwargs)
            serialization._write_item = write_raw
            deep = b'V'
            for _ in range(20000):
                deep = b'A' + struct.pack('>I', len(deep)) + deep
            with Connection(uri, transport_options=dict(confirm_publish=True)) as connection: # or the last jobs may go with the process
                producer = Producer(connection.channel())
                for id, value in [('places', decimal.Decimal('1e-29')), ('deep', Raw(deep.decode('latin-1'))), ('good', decimal.Decimal('1e-28'))]:
                    producer.publish([['text'], {}, {}], serializer='json', exchange='', routing_key=queue, correlation_id=id, headers={
                        'task': 'probe.run', 'id': id, 'value': value})
            """);
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);

        await Eventually.BecomesAsync(() => task.Total == 2, Soon, "the two good jobs to run");
        await bench.HoldsAsync(bench.DeadQueue, 2);
        await bench.HoldsAsync(bench.Queue, 0);
        Assert.Equal(1, bench.Logged(400, "consume"));
        var reasons = (await bench.DrainAsync(bench.DeadQueue)).ToDictionary(letter => Bench.Header(letter, "id")!, letter => Bench.Header(letter, "x-jobs-dead-reason"));
        Assert.Contains("'value' is or has a decimal of 29 places", reasons["places"], StringComparison.Ordinal);
        Assert.Contains("'value' has tables or lists in more than 100 levels", reasons["deep"], StringComparison.Ordinal);
    }

    /// <summary>§3.4: bad input stops or blocks a Celery worker in several places; here it is a dead letter with a reason. (River PR #1324)</summary>
    [Fact]
    public async Task Messages_that_are_nobodys_are_dead_letters_with_a_reason_and_good_ones_go_on()
    {
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(task: task));
        var good = Encoding.UTF8.GetBytes("""[["x"],{},{}]""");
        var bad = new (string Says, Dictionary<string, object?>? Headers, byte[] Body, string? Type)[]
        {
            ("'task' header", null, Encoding.UTF8.GetBytes("hello"), null),
            ("not JSON", new() { ["task"] = "probe.run", ["id"] = "0" }, Encoding.UTF8.GetBytes("hello"), null),
            ("'task' header", [], good, "application/json"),
            ("'id' header", new() { ["task"] = "probe.run" }, good, "application/json"),
            ("", new() { ["task"] = "probe.run", ["id"] = "1" }, [], "application/json"),
            ("", new() { ["task"] = "probe.run", ["id"] = "2" }, Encoding.UTF8.GetBytes("[[1"), "application/json"),
            ("content type", new() { ["task"] = "probe.run", ["id"] = "3" }, [0x80, 0x02], "application/x-python-serialize"),
            ("no task 'nobody.knows'", new() { ["task"] = "nobody.knows", ["id"] = "4" }, good, "application/json"),
            ("retries", new() { ["task"] = "probe.run", ["id"] = "5", ["retries"] = 1L << 40 }, good, "application/json"),
            ("retries", new() { ["task"] = "probe.run", ["id"] = "6", ["retries"] = "many" }, good, "application/json"),
            ("eta", new() { ["task"] = "probe.run", ["id"] = "7", ["eta"] = "tomorrow" }, good, "application/json"),
            ("UTF-8", new() { ["task"] = "probe.run", ["id"] = new byte[] { 0xff } }, good, "application/json"),
            ("", new() { ["task"] = new List<object> { 1 }, ["id"] = "9" }, good, "application/json"),
            ("", new() { ["task"] = "probe.run", ["id"] = "10" }, Encoding.UTF8.GetBytes("""[[1],{"number":"x"},{}]"""), "application/json"),
        };
        await using (var channel = await bench.ChannelAsync())
        {
            for (var i = 0; i < bad.Length; i++)
            {
                var properties = new BasicProperties { Headers = bad[i].Headers, ContentType = bad[i].Type, AppId = $"{i}", CorrelationId = $"c{i}" };
                await channel.BasicPublishAsync("", bench.Queue, mandatory: true, properties, bad[i].Body, TestContext.Current.CancellationToken);
            }
        }

        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);

        await bench.HoldsAsync(bench.DeadQueue, bad.Length);
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the good job to run");
        await bench.HoldsAsync(bench.Queue, 0);
        foreach (var letter in await bench.DrainAsync(bench.DeadQueue))
        {
            var sent = bad[int.Parse(letter.BasicProperties.CorrelationId.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture)];
            var reason = Bench.Header(letter, "x-jobs-dead-reason");
            Assert.False(string.IsNullOrWhiteSpace(reason));
            Assert.Contains(sent.Says, reason, StringComparison.Ordinal);
            Assert.Equal(sent.Body, letter.Body.ToArray()); // as it came, so that somebody can look at it
        }
    }

    Task PythonAsync(string script) => Python.OfThisMachine.RunAsync(bench, script);

    IAsyncDisposable StartPython(string script) => Python.OfThisMachine.Start(bench, script);
}
