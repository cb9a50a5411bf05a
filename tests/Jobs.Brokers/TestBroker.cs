using System.Text;
using System.Text.Json;
using RabbitMQ.Client;

namespace Jobs.Brokers;

/// <summary>The one real broker that the tests of this assembly share. Never a mock: what is tested is what RabbitMQ does.</summary>
public abstract class TestBroker : IAsyncDisposable
{
    ManagementApi? management;

    protected TestBroker(Uri amqpUri) => AmqpUri = amqpUri;

    /// <summary>With user name and password.</summary>
    public Uri AmqpUri { get; }

    /// <summary>As the broker says it, for example <c>3.10.8</c>.</summary>
    public string Version { get; private set; } = "";

    /// <summary>A client of the management API, signed in, with its base address set.</summary>
    public HttpClient Management => (management ??= new ManagementApi(ManagementUri)).Client;

    /// <summary>Root of the management API, with user name and password.</summary>
    public abstract Uri ManagementUri { get; }

    /// <summary>A name that no other test and no other run uses: tests share the broker and must not share a queue.</summary>
    public static string NewName(string what) => $"t.{what}.{Guid.NewGuid():N}";

    /// <summary>Runs <c>rabbitmqctl</c> against the broker and returns its output.</summary>
    /// <exception cref="NotSupportedException">The broker is somebody else's (<c>JOBS_TEST_BROKER</c>).</exception>
    public abstract Task<string> ControlAsync(params string[] rabbitmqctlArguments);

    /// <summary>GET of the management API, for example <c>api/queues/%2F/name</c>.</summary>
    public Task<JsonElement> ManagementAsync(string path) => (management ??= new ManagementApi(ManagementUri)).GetAsync(path);

    /// <summary>Ends the node as a crash would: nothing is flushed, nothing is said to clients. A test that does it must restart it.</summary>
    /// <exception cref="NotSupportedException">The broker is somebody else's (<c>JOBS_TEST_BROKER</c>).</exception>
    public abstract Task KillNodeAsync();

    /// <summary>Starts the killed node with the data it had, at the same address, and returns when it serves clients.</summary>
    /// <exception cref="NotSupportedException">The broker is somebody else's (<c>JOBS_TEST_BROKER</c>).</exception>
    public abstract Task RestartNodeAsync();

    public virtual ValueTask DisposeAsync()
    {
        management?.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>Proves that the broker takes clients and asks for its version.</summary>
    internal async Task ConnectOnceAsync()
    {
        await using var connection = await new ConnectionFactory { Uri = AmqpUri }.CreateConnectionAsync();
        Version = connection.ServerProperties?["version"] is byte[] version ? Encoding.UTF8.GetString(version) : "unknown";
    }
}
