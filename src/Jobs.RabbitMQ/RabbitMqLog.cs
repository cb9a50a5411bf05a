using Jobs.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>The history in a stream, which the broker fills with the events that workers publish.</summary>
/// <remarks>
/// 1. A process with a worker, or the first reader, begins to keep the stream declared: it looks now and then whether
/// the stream is there, and declares it when it is not.
/// 2. When the stream cannot be declared, one line says so, and jobs go on. A stream that is there all the same is read.
/// 3. Each reader has a channel of its own on the side connection; see <see cref="RabbitMqLogReader"/>.
/// </remarks>
sealed class RabbitMqLog(RabbitMqTransport transport, BrokerParts parts) : JobLog, IAsyncDisposable
{
    // The broker answers after 30 s when most nodes are down.
    static readonly TimeSpan declarePatience = TimeSpan.FromSeconds(40);
    static readonly TimeSpan lookPatience = TimeSpan.FromSeconds(10);

    readonly Lock gate = new();
    readonly CancellationTokenSource stopping = new();
    readonly TaskCompletionSource firstAttempt = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly SemaphoreSlim missed = new(0, 1);
    Task? running;
    string? problem;

    public override bool IsFedByBroadcast => true;

    public override string? Problem => IsOff ? "JobsOptions.HistoryBytes is 0" : Volatile.Read(ref problem);

    /// <summary>Whether there is no history, because nobody wants one.</summary>
    public bool IsOff => parts.Layout.Retention.Bytes == 0;

    /// <summary>Ends when the stream was declared for the first time, or could not be declared.</summary>
    public Task FirstAttempt => firstAttempt.Task;

    /// <summary>Fires when the transport closes.</summary>
    public CancellationToken Stopping => stopping.Token;

    /// <summary>The broker fills the stream.</summary>
    public override ValueTask AppendAsync(IReadOnlyList<ReadOnlyMemory<byte>> entries, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public override async ValueTask<LogExtent> ExtentAsync(CancellationToken cancellationToken)
    {
        if (IsOff)
        {
            return default;
        }

        Begin();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stopping.Token);
        try
        {
            await FirstAttempt.WaitAsync(either.Token).ConfigureAwait(false);
            var incarnation = await transport.Side().ConnectedAsync(either.Token).ConfigureAwait(false);
            using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, either.Token);
            return await LogProbe.ExtentAsync(incarnation, parts.Layout.History.Name, parts.Time, life.Token).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e)
        {
            throw new JobTransportException($"The history cannot be read: {Problem ?? e.Message.TrimEnd('.')}.", isTransient: true, e);
        }
        catch (OperationCanceledException e) when (!either.IsCancellationRequested)
        {
            throw new JobTransportException("The history cannot be read: the connection was lost.", isTransient: true, e);
        }
    }

    public override LogReader Read(LogStart start)
    {
        Begin();
        return new RabbitMqLogReader(this, transport, parts, start);
    }

    /// <summary>Begins to keep the stream declared. Does not wait.</summary>
    public void Begin()
    {
        lock (gate)
        {
            if (running is null && !IsOff && !stopping.IsCancellationRequested)
            {
                using (ExecutionContext.SuppressFlow()) // it outlives this call
                {
                    running = Task.Run(KeepDeclaredAsync, CancellationToken.None);
                }
            }
        }
    }

    /// <summary>A reader found no stream: look now.</summary>
    public void IsGone()
    {
        lock (gate)
        {
            if (missed.CurrentCount == 0)
            {
                missed.Release();
            }
        }
    }

    /// <summary>The history is off, for now.</summary>
    public void Failed(string why)
    {
        if (Interlocked.Exchange(ref problem, why) is null)
        {
            Log.HistoryOff(parts.Logger, parts.Layout.History.Name, why);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await (running ?? Task.CompletedTask).ConfigureAwait(false);
    }

    async Task KeepDeclaredAsync()
    {
        var isDeclared = false;
        while (!stopping.IsCancellationRequested)
        {
            Incarnation? incarnation = null;
            try
            {
                var side = transport.Side();
                incarnation = await side.ConnectedAsync(stopping.Token).ConfigureAwait(false);
                if (!isDeclared || !await IsThereAsync(incarnation).ConfigureAwait(false))
                {
                    isDeclared = false;
                    await WithinAsync(incarnation, declarePatience, life => side.Topology.DeclareHistoryAsync(incarnation, life)).ConfigureAwait(false);
                    isDeclared = true;
                    Succeeded();
                }
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                break;
            }
            catch (Exception) when (incarnation is not { Dead.IsCancellationRequested: false })
            {
                // The connection is lost or refused, which the connection itself says.
                await Task.Delay(ReconnectBackOff.After(1, parts.Random), parts.Time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }
            catch (Exception e)
            {
                Failed(e is OperationCanceledException ? "the broker has not answered in time" : e.Message.TrimEnd('.'));
            }

            firstAttempt.TrySetResult();
            await PauseAsync().ConfigureAwait(false);
        }

        firstAttempt.TrySetResult();
    }

    async Task<bool> IsThereAsync(Incarnation incarnation)
    {
        try
        {
            await WithinAsync(incarnation, lookPatience, life => incarnation.CountAsync(parts.Layout.History.Name, life)).ConfigureAwait(false);
            return true;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return false;
        }
    }

    async Task WithinAsync(Incarnation incarnation, TimeSpan limit, Func<CancellationToken, Task> action)
    {
        using var patience = new CancellationTokenSource(limit, parts.Time);
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stopping.Token, patience.Token);
        await action(life.Token).WaitAsync(life.Token).ConfigureAwait(false);
    }

    async Task PauseAsync()
    {
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        var waits = missed.WaitAsync(soon.Token);
        await Task.WhenAny(waits, Task.Delay(parts.Options.WatchdogInterval, parts.Time, soon.Token)).ConfigureAwait(false);
        var isMissed = waits.IsCompletedSuccessfully;
        await soon.CancelAsync().ConfigureAwait(false);
        await waits.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (isMissed)
        {
            // A node that has not finished with the former stream refuses the new one; see Topology.RedeclarePause.
            await Task.Delay(Topology.RedeclarePause, parts.Time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    void Succeeded()
    {
        if (Interlocked.Exchange(ref problem, null) is not null)
        {
            Log.HistoryOn(parts.Logger, parts.Layout.History.Name);
        }
    }
}
