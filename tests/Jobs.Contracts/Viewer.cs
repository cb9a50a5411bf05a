using System.Collections.Concurrent;
using System.Text.Json;
using Jobs.Events;
using Jobs.Transport;

namespace Jobs.Contracts;

/// <summary>Hears all events of a transport, as Flower would.</summary>
public sealed class Viewer : IAsyncDisposable
{
    readonly JobBroadcast broadcast;
    readonly BroadcastSubscription subscription;
    readonly LamportClock clock = new();
    readonly Task reading;

    Viewer(JobBroadcast broadcast, BroadcastSubscription subscription)
    {
        (this.broadcast, this.subscription) = (broadcast, subscription);
        reading = Task.Run(ReadAsync);
    }

    /// <summary>The events in the order in which they came, with the number of the message that they came in.</summary>
    public ConcurrentQueue<(int Message, JsonElement Event)> All { get; } = new();

    /// <summary>Begins to listen.</summary>
    public static async Task<Viewer> StartAsync(JobTransport transport)
    {
        var broadcast = transport.Broadcast!;
        return new(broadcast, await broadcast.ListenAsync("#", CancellationToken.None).Soon());
    }

    /// <summary>Asks all workers for every event.</summary>
    public void Watch(TimeSpan lease) => broadcast.Send(WatchLease.Ask("viewer@test", clock, TimeProvider.System.GetUtcNow(), lease, all: true));

    /// <summary>The events of that type.</summary>
    public JsonElement[] Of(string type) => [.. All.Select(e => e.Event).Where(e => Type(e) == type)];

    /// <summary>The events of that job.</summary>
    public JsonElement[] OfJob(string id) => [.. All.Select(e => e.Event).Where(e => e.TryGetProperty("uuid", out var uuid) && uuid.GetString() == id)];

    /// <summary>The types of the events of that job, in the order in which they came.</summary>
    public string[] TypesOf(string id) => [.. OfJob(id).Select(Type)];

    /// <summary>The type of an event.</summary>
    public static string Type(JsonElement of) => of.GetProperty("type").GetString()!;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await subscription.DisposeAsync();
        await reading.Soon();
    }

    async Task ReadAsync()
    {
        for (var number = 0; await subscription.NextAsync(CancellationToken.None) is { } message; number++)
        {
            using var document = JsonDocument.Parse(message.Body);
            if (document.RootElement.ValueKind == JsonValueKind.Array)
            {
                foreach (var one in document.RootElement.EnumerateArray())
                {
                    All.Enqueue((number, one.Clone()));
                }
            }
            else
            {
                All.Enqueue((number, document.RootElement.Clone()));
            }
        }
    }
}
