namespace Jobs.Benchmarks;

/// <summary>The reference that lets the client track confirms: each publish is awaited, a window of them at once.</summary>
sealed class ClientTracking(BenchmarkOptions options) : RabbitReference(options, "client-tracking", clientTracks: true)
{
    public const string About = "the same loop, but RabbitMQ.Client tracks the confirms and each publish is awaited";

    public static async Task<ISide> StartAsync(BenchmarkOptions options)
    {
        var side = new ClientTracking(options);
        await side.StartAsync();
        return side;
    }

    public override async Task EnqueueManyAsync(int count)
    {
        var unconfirmed = new Queue<ValueTask>(Window);
        for (var i = 0; i < count; i++)
        {
            if (unconfirmed.Count == Window)
            {
                await unconfirmed.Dequeue();
            }

            unconfirmed.Enqueue(PublishAsync());
        }

        while (unconfirmed.TryDequeue(out var publish))
        {
            await publish;
        }
    }

    public override Task EnqueueAsync() => PublishStampedAsync().AsTask();
}
