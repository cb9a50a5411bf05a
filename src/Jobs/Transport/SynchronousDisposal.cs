namespace Jobs.Transport;

/// <summary>Asynchronous disposal for a container that is disposed synchronously, as <c>using</c> does.</summary>
static class SynchronousDisposal
{
    /// <summary>What closing may take; above what a transport needs to say goodbye to a broker that answers.</summary>
    public static TimeSpan Limit { get; } = TimeSpan.FromSeconds(10);

    /// <summary>Waits for the disposal up to the limit; then it goes on in the background.</summary>
    public static void DisposeWithin(this IAsyncDisposable disposable, TimeSpan limit)
    {
        // On the pool: a caller's synchronization context would wait for itself. In real time: a test's clock stands still while this thread waits.
        var closing = Task.Run(() => disposable.DisposeAsync().AsTask());
        if (Task.WaitAny([closing], limit) == 0)
        {
            closing.GetAwaiter().GetResult(); // throws what the disposal threw
        }
    }
}
