namespace Jobs.Transport;

/// <summary>
/// Asynchronous disposal for a container that is disposed synchronously, for example by <c>using</c>.
/// </summary>
static class SynchronousDisposal
{
    /// <summary>
    /// How long closing may take. A transport needs less time to close its connections to a broker that answers.
    /// </summary>
    public static TimeSpan Limit { get; } = TimeSpan.FromSeconds(10);

    /// <summary>Waits for the disposal up to the limit. After that, the disposal goes on in the background.</summary>
    public static void DisposeWithin(this IAsyncDisposable disposable, TimeSpan limit)
    {
        // On the pool, because a caller's synchronization context would wait for itself. In real time, because the
        // clock of a test stands still while this thread waits.
        var closing = Task.Run(() => disposable.DisposeAsync().AsTask());
        if (Task.WaitAny([closing], limit) == 0)
        {
            closing.GetAwaiter().GetResult(); // throws what the disposal threw
        }
    }
}
