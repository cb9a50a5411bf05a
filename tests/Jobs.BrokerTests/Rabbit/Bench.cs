using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Jobs.Brokers;
using Jobs.Contracts;
using Jobs.Diagnostics;
using Jobs.RabbitMQ;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>What one test does with the broker: hosts with names of its own, a look into queues behind their back, and the clearing up.</summary>
sealed class Bench(TestBroker broker) : IAsyncDisposable
{
    readonly List<IHost> hosts = [];
    readonly List<IAsyncDisposable> others = [];
    IConnection? connection;

    public TestBroker Broker => broker;

    /// <summary>Begins the name of everything that the test makes.</summary>
    public string Prefix { get; } = $"t{Guid.NewGuid():N}"[..12];

    public string Queue => $"{Prefix}.work";

    public string DeadQueue => $"{Prefix}.dead";

    public string QuarantineQueue => $"{Prefix}.quarantine.{Queue}";

    /// <summary>What the hosts logged at warning or above.</summary>
    public ConcurrentQueue<string> Warnings { get; } = new();

    /// <summary>What they logged at information or above, by event id.</summary>
    public ConcurrentQueue<(int Id, string Text)> Lines { get; } = new();

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public TcpProxy Proxy()
    {
        var proxy = TcpProxy.Start(broker.AmqpUri);
        others.Add(proxy);
        return proxy;
    }

    /// <summary>A host that is not started; without a worker it only enqueues, as a web application does.</summary>
    public IHost Host(
        string? uri = null,
        Action<RabbitMqOptions>? rabbit = null,
        Action<JobsOptions>? jobs = null,
        ProbeTask? task = null,
        Action<WorkerOptions>? worker = null,
        Action<JobsBuilder>? more = null)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.Information).AddProvider(new Recorder(this));
        builder.Services.AddHealthChecks().AddJobs();
        builder.Services.AddJobs(add =>
        {
            add.UseRabbitMq(uri ?? broker.AmqpUri.ToString(), options =>
            {
                options.Prefix = Prefix;
                options.ClientName = Prefix;
                options.ConnectTimeout = TimeSpan.FromSeconds(3);
                rabbit?.Invoke(options);
            });
            add.Configure(options =>
            {
                options.DefaultQueue = Queue;
                options.DeadLetterQueue = DeadQueue;
                options.RetryDelay = TimeSpan.FromMilliseconds(1);
                options.Events = EventLevel.Off; // or each worker has one more connection than these tests look at
                jobs?.Invoke(options);
            });
            if (task is not null)
            {
                add.AddTask(task);
                add.AddWorker(options =>
                {
                    options.Concurrency = 8;
                    worker?.Invoke(options);
                });
            }

            more?.Invoke(add);
        });
        var host = builder.Build();
        hosts.Add(host);
        return host;
    }

    public IHost Host(TcpProxy proxy, Action<RabbitMqOptions>? rabbit = null, Action<JobsOptions>? jobs = null, ProbeTask? task = null, Action<WorkerOptions>? worker = null) =>
        Host(proxy.Through(broker.AmqpUri).ToString(), rabbit, jobs, task, worker);

    public async Task<IHost> StartedAsync(IHost host)
    {
        await host.StartAsync(Cancellation);
        return host;
    }

    /// <summary>A worker without executor: the test settles.</summary>
    public async Task<JobSubscription> SubscribeAsync(IHost host, int prefetch = 16, int maxDeliveries = 20, params string[] queues)
    {
        var subscription = await Transport(host).SubscribeAsync(new() { Queues = queues is [] ? [Queue] : queues, Prefetch = prefetch, MaxDeliveries = maxDeliveries }, Cancellation);
        others.Add(subscription);
        return subscription;
    }

    /// <summary>What the health check with this tag says.</summary>
    public static async Task<HealthReportEntry> HealthAsync(IHost host, string tag) => Assert.Single(
        (await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(check => check.Tags.Contains(tag), Cancellation)).Entries).Value;

    /// <summary>From now on, for what is enqueued through this host; the first enqueue of a host, which connects and declares, has the default.</summary>
    public static void LimitEnqueue(IHost host, int seconds) => host.Services.GetRequiredService<IOptions<JobsOptions>>().Value.EnqueueTimeout = TimeSpan.FromSeconds(seconds);

    /// <summary>How many lines of that event were logged, with that text in them.</summary>
    public int Logged(int id, string text = "") => Lines.Count(l => l.Id == id && l.Text.Contains(text, StringComparison.Ordinal));

    /// <summary>What the classes of the transport get from that host.</summary>
    public BrokerParts Parts(IHost host)
    {
        var options = host.Services.GetRequiredService<IOptions<RabbitMqOptions>>().Value;
        return new(options, BrokerAddress.Parse(options), new(Prefix, DeadQueue, []), TimeProvider.System, new Recorder(this), host.Services.GetRequiredService<Telemetry>());
    }

    public static JobTransport Transport(IHost host) => host.Services.GetRequiredService<JobTransport>();

    public static IJobDispatcher Jobs(IHost host) => host.Services.GetRequiredService<IJobDispatcher>();

    /// <summary>A message as the dispatcher would make it.</summary>
    /// <param name="id">The job's id.</param>
    /// <param name="body">Its arguments.</param>
    /// <param name="stamp">What proves, when it comes again, that it is this one.</param>
    public static JobMessage Message(string id, string body = """[[""],{},{}]""", int? stamp = null)
    {
        var message = new JobMessage
        {
            Headers = new() { ["task"] = "probe.run", ["id"] = id },
            Body = Encoding.UTF8.GetBytes(body),
            CorrelationId = id,
            Timestamp = 1_700_000_000,
        };
        return stamp is { } given ? message.Copy(given) : message;
    }

    /// <summary>Puts a message into <see cref="Queue"/> as the dispatcher would.</summary>
    public Task PublishAsync(JobMessage message) => Transport(Host()).PublishAsync(new Outgoing(Queue, message), TimeSpan.FromSeconds(30), Cancellation).AsTask();

    /// <summary>A connection of the test itself, past Jobs and past any proxy.</summary>
    public async Task<IChannel> ChannelAsync()
    {
        connection ??= await new ConnectionFactory { Uri = broker.AmqpUri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(Cancellation);
        return await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Cancellation);
    }

    /// <summary>Publishes to the exchange of events, as workers do; each message is confirmed, which workers do not wait for.</summary>
    public async Task SendEventsAsync(string routingKey, IEnumerable<ReadOnlyMemory<byte>> bodies, string exchange = "celeryev")
    {
        await using var channel = await ChannelAsync();
        var publishes = bodies.Select(body => channel.BasicPublishAsync(
            exchange,
            routingKey,
            mandatory: false,
            new BasicProperties { ContentType = "application/json", DeliveryMode = DeliveryModes.Transient, Timestamp = new(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds()) },
            body,
            Cancellation)).ToArray();
        foreach (var publish in publishes)
        {
            await publish;
        }
    }

    public async Task<long> CountAsync(string queue)
    {
        try
        {
            await using var channel = await ChannelAsync();
            return await channel.MessageCountAsync(queue, Cancellation);
        }
        catch (global::RabbitMQ.Client.Exceptions.OperationInterruptedException)
        {
            return -1; // there is no such queue
        }
    }

    public Task HoldsAsync(string queue, long count, int seconds = 20) =>
        Eventually.BecomesAsync(async () => await CountAsync(queue) == count, TimeSpan.FromSeconds(seconds), $"{queue} to hold {count}");

    /// <summary>Takes everything out of a queue.</summary>
    public async Task<List<BasicGetResult>> DrainAsync(string queue)
    {
        await using var channel = await ChannelAsync();
        var found = new List<BasicGetResult>();
        while (await channel.BasicGetAsync(queue, autoAck: true, Cancellation) is { } result)
        {
            found.Add(result);
        }

        return found;
    }

    /// <summary>How often each id is in a queue; takes them out.</summary>
    public async Task<Dictionary<string, int>> DrainIdsAsync(string queue) =>
        (await DrainAsync(queue)).GroupBy(m => m.BasicProperties.CorrelationId!).ToDictionary(g => g.Key, g => g.Count());

    public static string? Header(BasicGetResult message, string name) =>
        message.BasicProperties.Headers?.TryGetValue(name, out var value) == true ? value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : value?.ToString() : null;

    public async Task StopHostsAsync()
    {
        foreach (var host in hosts)
        {
            await host.StopAsync(Cancellation);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Host by host and not by "await using": a test that fails in the middle must not leave one that reconnects for ever.
        foreach (var host in hosts)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            try
            {
                await host.StopAsync(limit.Token);
            }
            catch (Exception)
            {
                // it never started, or the test broke it
            }
        }

        foreach (var other in Enumerable.Reverse(others).Where(o => o is not TcpProxy))
        {
            await other.DisposeAsync();
        }

        foreach (var host in hosts)
        {
            await ((IAsyncDisposable)host).DisposeAsync();
        }

        foreach (var warning in Warnings)
        {
            TestContext.Current.TestOutputHelper?.WriteLine(warning);
        }

        foreach (var proxy in others.OfType<TcpProxy>())
        {
            await proxy.DisposeAsync();
        }

        await ClearUpAsync();
        if (connection is not null)
        {
            await connection.DisposeAsync();
        }
    }

    // A quorum queue costs the shared broker a process and files, and delays have 28 of them.
    async Task ClearUpAsync()
    {
        connection ??= await new ConnectionFactory { Uri = broker.AmqpUri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(CancellationToken.None);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
        foreach (var (kind, delete) in new (string, Func<string, Task>)[]
        {
            ("exchanges", name => channel.ExchangeDeleteAsync(name, cancellationToken: CancellationToken.None)),
            ("queues", name => channel.QueueDeleteAsync(name, cancellationToken: CancellationToken.None)),
        })
        {
            var all = await ListAsync($"api/{kind}/%2F?disable_stats=true&enable_queue_totals=true");
            foreach (var name in all.EnumerateArray().Where(IsDeletable).Select(e => e.GetProperty("name").GetString()!).Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)))
            {
                await delete(name);
            }
        }

        foreach (var name in (await broker.ManagementAsync("api/policies/%2F")).EnumerateArray().Select(e => e.GetProperty("name").GetString()!))
        {
            if (name.StartsWith(Prefix, StringComparison.Ordinal))
            {
                await broker.Management.DeleteAsync(new Uri($"api/policies/%2F/{Uri.EscapeDataString(name)}", UriKind.Relative), CancellationToken.None);
            }
        }
    }

    // An exclusive queue goes with its connection, which the broker ends a moment after us.
    static bool IsDeletable(JsonElement resource) => !(resource.TryGetProperty("exclusive", out var exclusive) && exclusive.ValueKind == JsonValueKind.True);

    // 3.10 answers with 500 while such a queue is going.
    async Task<JsonElement> ListAsync(string path)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await broker.ManagementAsync(path);
            }
            catch (HttpRequestException e) when (e.StatusCode == System.Net.HttpStatusCode.InternalServerError && tries < 20)
            {
                await Wait.PauseAsync();
            }
        }
    }

    sealed class Recorder(Bench bench) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            bench.Lines.Enqueue((eventId.Id, formatter(state, exception)));
            if (logLevel >= LogLevel.Warning)
            {
                bench.Warnings.Enqueue($"{eventId.Id} {formatter(state, exception)} {exception?.Message}");
            }
        }

        public void Dispose()
        {
        }
    }
}

/// <summary>Tests that change the whole broker (an alarm, a limit); they run alone.</summary>
[CollectionDefinition(nameof(BrokerWideCollection), DisableParallelization = true)]
public sealed class BrokerWideCollection;
