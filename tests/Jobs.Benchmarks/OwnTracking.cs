namespace Jobs.Benchmarks;

/// <summary>
/// The reference that counts confirms itself instead of having the client await each one. The budgets speak of this loop, and nothing that uses the client is
/// known to be faster: it is the ceiling too.
/// </summary>
sealed class OwnTracking(BenchmarkOptions options) : RabbitReference(options, "own-tracking", clientTracks: false)
{
    public const string About = "RabbitMQ.Client by hand, counts confirms itself: the loop that the budgets speak of, and the ceiling";

    readonly SemaphoreSlim window = new(options.Window);
    readonly Lock gate = new();
    readonly Dictionary<ulong, TaskCompletionSource?> unconfirmed = [];
    readonly Countdown confirmed = new();
    ulong oldest = 1;
    ulong next = 1;

    public static async Task<ISide> StartAsync(BenchmarkOptions options)
    {
        var side = new OwnTracking(options);
        await side.StartAsync();
        side.Publisher.BasicAcksAsync += (_, e) => side.OnConfirm(e.DeliveryTag, e.Multiple);
        return side;
    }

    public override async Task EnqueueManyAsync(int count)
    {
        var all = confirmed.Start(count);
        for (var i = 0; i < count; i++)
        {
            await window.WaitAsync();
            Add(null);
            await PublishAsync();
        }

        await all;
    }

    public override async Task EnqueueAsync()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await window.WaitAsync();
        Add(done);
        await PublishStampedAsync();
        await done.Task;
    }

    void Add(TaskCompletionSource? done)
    {
        lock (gate)
        {
            unconfirmed[next++] = done;
        }
    }

    Task OnConfirm(ulong tag, bool multiple)
    {
        lock (gate)
        {
            for (var i = multiple ? oldest : tag; i <= tag; i++)
            {
                if (!unconfirmed.Remove(i, out var one))
                {
                    continue;
                }

                window.Release();
                if (one is not null)
                {
                    one.SetResult();
                }
                else
                {
                    confirmed.Signal();
                }
            }

            oldest = multiple ? tag + 1 : oldest;
        }

        return Task.CompletedTask;
    }
}
