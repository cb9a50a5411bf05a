namespace Jobs.RabbitMQ;

/// <summary>
/// Declares what the publishes of one session need. A declaration runs beside the session's writer, so a slow one holds
/// up only the publishes that wait for it.
/// </summary>
sealed class Declarations(Incarnation incarnation, PublishLedger ledger, Topology topology, CancellationToken life)
{
    const int MostAtOnce = 8; // each declaration has a channel

    readonly Lock gate = new();
    readonly SemaphoreSlim room = new(MostAtOnce);
    readonly Dictionary<(string Queue, bool Delayed), Task> running = [];

    /// <summary>
    /// Sets aside the publishes that wait for this declaration, and starts the declaration unless it already runs.
    /// </summary>
    /// <returns>A task that ends with the declaration and never fails.</returns>
    public Task Begin(string queue, bool delayed)
    {
        lock (gate)
        {
            if (topology.Knows(queue, delayed))
            {
                return Task.CompletedTask; // the declaration ended after the writer had looked
            }

            if (topology.IsAway(queue))
            {
                ledger.PutAside(queue);
                return Task.CompletedTask;
            }

            ledger.Hold(queue, delayed);
            if (!running.TryGetValue((queue, delayed), out var declaration))
            {
                running[(queue, delayed)] = declaration = Task.Run(() => DeclareAsync(queue, delayed), CancellationToken.None);
            }

            return declaration;
        }
    }

    /// <summary>
    /// Call this after the token has fired. When the task ends, the publishes that were set aside are in line again.
    /// </summary>
    public Task EndedAsync()
    {
        lock (gate)
        {
            return Task.WhenAll(running.Values);
        }
    }

    async Task DeclareAsync(string queue, bool delayed)
    {
        var answered = true;
        try
        {
            await room.WaitAsync(life).ConfigureAwait(false);
            try
            {
                await topology.EnsureAsync(incarnation, queue, delayed, takeForeign: true, life).ConfigureAwait(false);
            }
            finally
            {
                room.Release();
            }
        }
        catch (JobTransportException e) when (!e.IsTransient)
        {
            ledger.Fail(queue, delayed, e);
        }
        catch (JobTransportException)
        {
            answered = false; // a transient failure comes from the declaration's own connection, so the session's connection goes on
        }
        catch (Exception e)
        {
            answered = false;
            if (!life.IsCancellationRequested)
            {
                incarnation.Abandon($"queue {queue} could not be declared: {e.Message}"); // the state of the connection is in doubt
            }
        }

        lock (gate)
        {
            running.Remove((queue, delayed));
            ledger.EndHold(queue, delayed, goFirst: answered); // if not answered, other publishes go first on the next connection
        }
    }
}
