using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Jobs.Brokers;

namespace Jobs.BrokerTests.Compose;

/// <summary>
/// The cluster of <c>docker-compose.yml</c> as it is in the repository, on free ports and under a project name of its own.
/// It is taken down with its data when the tests are over, and also when it did not start.
/// </summary>
public sealed class ComposeCluster : IAsyncLifetime
{
    const string Password = "of-a-test";

    static readonly string[] nodes = ["rabbit1", "rabbit2", "rabbit3"];

    // tests/run.sh takes the project of this name down when a test host was killed.
    readonly string project = "jobs-test-" + (Environment.GetEnvironmentVariable("JOBS_TEST_RUN") is { Length: > 0 } run
        ? run.ToLower(CultureInfo.InvariantCulture)
        : Guid.NewGuid().ToString("N"));

    readonly Dictionary<string, string> environment;
    readonly ManagementApi management;

    public ComposeCluster()
    {
        var ports = FreePorts.Take(2).Select(port => port.ToString(CultureInfo.InvariantCulture)).ToArray();
        environment = new()
        {
            ["JOBS_PASSWORD"] = Password,
            ["JOBS_ERLANG_COOKIE"] = Guid.NewGuid().ToString("N"),
            ["JOBS_AMQP_PORT"] = ports[0],
            ["JOBS_MANAGEMENT_PORT"] = ports[1],
        };
        AmqpUri = $"amqp://jobs:{Password}@127.0.0.1:{ports[0]}/jobs";
        management = new(new Uri($"http://jobs:{Password}@127.0.0.1:{ports[1]}/"));
    }

    /// <summary>Of the load balancer.</summary>
    public string AmqpUri { get; }

    public static IReadOnlyList<string> Nodes => nodes;

    public async ValueTask InitializeAsync()
    {
        try
        {
            await ComposeAsync("up", "--detach", "--wait", "--wait-timeout", "180");
        }
        catch (InvalidOperationException exception)
        {
            var logs = await ComposeAsync("logs", "--no-color", "--tail", "30");
            await DisposeAsync();
            throw new InvalidOperationException($"{exception.Message}\n{logs}", exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        management.Dispose();
        // No time to stop: nobody wants the data.
        await ComposeAsync("--profile", "app", "down", "--volumes", "--timeout", "0");
    }

    /// <summary>SIGKILL.</summary>
    public Task KillAsync(string node) => ComposeAsync("kill", "--signal", "SIGKILL", node);

    /// <summary>Starts a killed node with the data it had, and returns when it is healthy.</summary>
    public Task StartAsync(string node) => ComposeAsync("up", "--detach", "--wait", "--no-recreate", node);

    /// <summary>Runs one of RabbitMQ's programs on a node.</summary>
    public Task<string> ExecuteAsync(string node, params string[] command) => ComposeAsync(["exec", "--no-TTY", node, .. command]);

    /// <summary>What Docker knows of the container of a service, by a template.</summary>
    public async Task<string> InspectAsync(string service, string template)
    {
        var id = await ComposeAsync("ps", "--all", "--quiet", service);
        return (await DockerAsync("inspect", "--format", template, id.Trim())).Trim();
    }

    /// <summary>GET of the management API through the load balancer; asks again when the node it was sent to is just gone.</summary>
    public async Task<JsonElement> ManagementAsync(string path)
    {
        JsonElement? answer = null;
        await Eventually.BecomesAsync(
            async () =>
            {
                try
                {
                    answer = await management.GetAsync(path);
                }
                catch (HttpRequestException)
                {
                }

                return answer is not null;
            },
            TimeSpan.FromSeconds(20),
            $"an answer to {path}");
        return answer!.Value;
    }

    public async Task<string[]> RunningAsync() =>
    [
        .. (await ManagementAsync("api/nodes?columns=name,running")).EnumerateArray()
            .Where(node => node.GetProperty("running").GetBoolean())
            .Select(node => node.GetProperty("name").GetString()!.Replace("rabbit@", "", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>All queues of one type in the virtual host.</summary>
    public async Task<IReadOnlyList<ComposeQueue>> QueuesAsync(string type = "quorum") =>
    [
        .. (await ManagementAsync("api/queues/jobs?columns=name,type,leader,members,online,effective_policy_definition")).EnumerateArray()
            .Where(queue => Text(queue, "type") == type).Select(queue => new ComposeQueue(
            queue.GetProperty("name").GetString()!,
            Text(queue, "leader"),
            Count(queue, "members"),
            Count(queue, "online"),
            queue.TryGetProperty("effective_policy_definition", out var policy) ? policy : default)),
    ];

    static string Text(JsonElement queue, string name) =>
        queue.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()!.Replace("rabbit@", "", StringComparison.Ordinal) : "";

    static int Count(JsonElement queue, string name) => queue.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array ? value.GetArrayLength() : 0;

    Task<string> ComposeAsync(params string[] arguments) => DockerAsync(["compose", "--file", FileOfTheRepository(), "--project-name", project, .. arguments]);

    Task<string> DockerAsync(params string[] arguments) => Command.RunAsync("docker", arguments, environment, TimeSpan.FromSeconds(200));

    static string FileOfTheRepository([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "..", "docker-compose.yml"));
}

/// <summary>What the broker says of a queue. What it does not say yet, because it was declared just now, is empty or 0.</summary>
public sealed record ComposeQueue(string Name, string Leader, int Members, int Online, JsonElement Policy);
