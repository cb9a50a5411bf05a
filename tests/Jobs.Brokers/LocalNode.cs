using System.Globalization;

namespace Jobs.Brokers;

/// <summary>One rabbitmq-server as an operating system process, with its own ports on loopback and its own data folder.</summary>
public sealed class LocalNode : IAsyncDisposable
{
    static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(90);
    static readonly TimeSpan ControlTimeout = TimeSpan.FromSeconds(90);

    readonly string folder;
    readonly string logFile;
    readonly Dictionary<string, string> environment;
    GuardedProcess? process;

    internal LocalNode(LocalHome home, string name, string settings)
    {
        var ports = FreePorts.Take(3);
        Name = $"{name}@localhost";
        AmqpUri = new Uri($"amqp://guest:guest@127.0.0.1:{ports[0]}/");
        ManagementUri = new Uri($"http://guest:guest@127.0.0.1:{ports[2]}/");
        folder = Path.Combine(home.Folder, name);
        logFile = Path.Combine(folder, "node.log");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "enabled_plugins"), "[rabbitmq_management].");
        File.WriteAllText(Path.Combine(folder, "rabbitmq.conf"), $"""
            management.tcp.ip = 127.0.0.1
            management.tcp.port = {ports[2]}
            disk_free_limit.absolute = 50MB
            vm_memory_high_watermark.absolute = 1GB
            raft.wal_max_size_bytes = 16777216
            log.console = false
            log.file.level = info
            {settings}

            """);
        // In the only file that RabbitMQ 3.10 reads them from: failure detection of quorum queues in 1 s instead of 5 s; and dead-lettering.
        File.WriteAllText(Path.Combine(folder, "advanced.config"), $"[{{aten, [{{poll_interval, 1000}}]}}, {{rabbit, [{DeadLettering.Settings}]}}].");
        environment = new Dictionary<string, string>(home.Environment)
        {
            ["RABBITMQ_NODENAME"] = Name,
            ["RABBITMQ_NODE_IP_ADDRESS"] = "127.0.0.1",
            ["RABBITMQ_NODE_PORT"] = ports[0].ToString(CultureInfo.InvariantCulture),
            ["RABBITMQ_DIST_PORT"] = ports[1].ToString(CultureInfo.InvariantCulture),
            // The default is the distribution port + 10000, which may be no port at all.
            ["RABBITMQ_CTL_DIST_PORT_MIN"] = "20000",
            ["RABBITMQ_CTL_DIST_PORT_MAX"] = "30000",
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "data"),
            ["RABBITMQ_LOG_BASE"] = folder,
            ["RABBITMQ_LOGS"] = logFile,
            ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(folder, "none.conf"),
            ["RABBITMQ_CONFIG_FILE"] = Path.Combine(folder, "rabbitmq.conf"),
            ["RABBITMQ_ADVANCED_CONFIG_FILE"] = Path.Combine(folder, "advanced.config"),
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(folder, "enabled_plugins"),
            ["RABBITMQ_GENERATED_CONFIG_DIR"] = Path.Combine(folder, "config"),
            ["RABBITMQ_PID_FILE"] = Path.Combine(folder, "node.pid"),
            // The script then becomes the Erlang machine instead of its parent, so that the end of one is the end of the other.
            ["RUNNING_UNDER_SYSTEMD"] = "true",
            ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
        };
    }

    /// <summary>For example <c>jobs1@localhost</c>.</summary>
    public string Name { get; }

    public Uri AmqpUri { get; }

    /// <summary>Root of the management API, with user name and password.</summary>
    public Uri ManagementUri { get; }

    public bool IsRunning => process is { HasEnded: false };

    /// <summary>Starts it, or starts it again with the data it had, and returns when it serves clients.</summary>
    public async Task StartAsync()
    {
        if (IsRunning)
            throw new InvalidOperationException($"Node {Name} is running already; kill it first.");
        if (process is not null)
            await process.DisposeAsync();

        File.Delete(logFile); // each start has a log of its own
        process = GuardedProcess.Start(LocalInstallation.PathOf("rabbitmq-server"), [], environment, Path.Combine(folder, "output.log"));
        try
        {
            await Eventually.BecomesAsync(ServesAsync, StartTimeout, $"node {Name} to start");
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"Node {Name} did not start: {exception.Message} {await LastLinesAsync()}", exception);
        }
    }

    /// <summary>SIGKILL to the Erlang machine: nothing is flushed, nothing is said to clients.</summary>
    public async Task KillAsync()
    {
        if (process is not null)
            await process.KillAsync();
    }

    /// <summary>SIGSTOP to the Erlang machine: it keeps its connections and says nothing. <see cref="KillAsync"/> works on a paused node too.</summary>
    public Task PauseAsync() => SignalAsync("STOP");

    /// <summary>SIGCONT: it goes on where it was.</summary>
    public Task ResumeAsync() => SignalAsync("CONT");

    /// <summary>Runs <c>rabbitmqctl</c> against this node and returns its output.</summary>
    public Task<string> ControlAsync(params string[] arguments) => RunAsync("rabbitmqctl", arguments);

    /// <summary>Runs one of RabbitMQ's command line tools, for example <c>rabbitmq-upgrade</c>, against this node and returns its output.</summary>
    public Task<string> RunAsync(string tool, params string[] arguments) => Command.RunAsync(
        LocalInstallation.PathOf(tool), ["--quiet", .. arguments], environment, ControlTimeout);

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
            await process.DisposeAsync();
    }

    async Task SignalAsync(string signal)
    {
        // Written by the node itself, with the id of its Erlang machine.
        var id = (await ReadAsync(environment["RABBITMQ_PID_FILE"])).Trim();
        await Command.RunAsync("/bin/sh", ["-c", $"kill -s {signal} \"$1\"", "signal", id], environment: null, TimeSpan.FromSeconds(5));
    }

    // We do not wait for a line of its log: RabbitMQ drops lines when there are more than 500 in a second.
    async Task<bool> ServesAsync() => !IsRunning
        ? throw new InvalidOperationException("its process ended.")
        : await AmqpGreeting.IsAnsweredAsync(AmqpUri);

    // The last line of the log comes first: a list of failed tests shows only the beginning of each message.
    async Task<string> LastLinesAsync()
    {
        var lines = (await ReadAsync(Path.Combine(folder, "output.log")) + await ReadAsync(logFile)).TrimEnd().Split('\n');
        return $"Its last line: {lines[^1]}\n{string.Join('\n', lines.TakeLast(40))}";
    }

    static async Task<string> ReadAsync(string path)
    {
        if (!File.Exists(path))
            return "";
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return await reader.ReadToEndAsync();
    }
}
