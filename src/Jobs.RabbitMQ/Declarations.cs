namespace Jobs.RabbitMQ;

/// <summary>
/// Declares, beside the writer of one session, what its publishes need: a declaration that takes long holds up nobody
/// but the publishes that wait for it.
/// </summary>
sealed class Declarations(Incarnation incarnation, PublishLedger ledger, Topology topology, CancellationToken life)
{
    const int MostAtOnce = 8; // each has a channel

    readonly Lock gate = new();
    readonly SemaphoreSlim room = new(MostAtOnce);
    readonly Dictionary<(string Queue, bool Delayed), Task> running = [];

    /// <summary>Sets aside the publishes that wait for this declaration, and begins it unless it has begun.</summary>
    /// <returns>Ends with the declaration; never fails.</returns>
    public Task Begin(string queue, bool delayed)
    {
        lock (gate)
        {
            if (topology.Knows(queue, delayed))
            {
                return Task.CompletedTask; // it ended after the writer had looked
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

    /// <summary>After its token has fired: the publishes that were set aside are in line again.</summary>
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
            answered = false; // it had a connection of its own, so that this one goes on
        }
        catch (Exception e)
        {
            answered = false;
            if (!life.IsCancellationRequested)
            {
                incarnation.Abandon($"queue {queue} could not be declared: {e.Message}"); // it is in doubt now
            }
        }

        lock (gate)
        {
            running.Remove((queue, delayed));
            ledger.EndHold(queue, delayed, goFirst: answered); // else others go first on the next connection
        }
    }
}
