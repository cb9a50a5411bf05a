using System.Data.Common;
using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Sqlite;

/// <summary>Keeps jobs in one file of this machine, for any number of processes.</summary>
sealed class SqliteTransport(
    IOptions<SqliteOptions> sqliteOptions, TimeProvider time, ILogger<SqliteTransport> logger, IOptions<JobsOptions>? jobsOptions = null)
    : JobTransport
{
    readonly Lock gate = new();
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);
    SqliteResults? results;
    SqliteBroadcast? broadcast;
    SqliteLog? history;
    Engine? engine;
    bool closed;

    public override TransportCapabilities Capabilities =>
        TransportCapabilities.Durable | TransportCapabilities.Priorities | TransportCapabilities.ResultsById | TransportCapabilities.UnlessPending;

    public override string MessagingSystem => "sqlite";

    /// <inheritdoc/>
    /// <remarks>Opens the file: whoever starts a host must not find out later that the file cannot be used.</remarks>
    public override IEnumerable<string> Problems()
    {
        try
        {
            Open();
            return [];
        }
        catch (OptionsValidationException e)
        {
            return e.Failures;
        }
        catch (JobTransportException e)
        {
            return [e.Message];
        }
    }

    public override string? QueueProblem(string queue) =>
        queue.StartsWith(Engine.QuarantinePrefix, StringComparison.Ordinal) ? $"names that begin with '{Engine.QuarantinePrefix}' are Jobs' own" : null;

    public override ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Engine engine;
        try
        {
            engine = Open();
        }
        catch (JobTransportException e)
        {
            return ValueTask.FromException(SqliteErrors.Publish(outgoing, e, maybe: false));
        }

        Guest.RefuseDeadlock(engine);
        var operation = new PublishOperation(outgoing, engine.Now) { Deadline = engine.DeadlineOf(timeout) };
        if (!engine.Writer.Add(operation))
        {
            return ValueTask.FromException(SqliteErrors.Publish(outgoing, new ObjectDisposedException(nameof(SqliteTransport)), maybe: false));
        }

        return cancellationToken.CanBeCanceled ? CancellableAsync(operation, cancellationToken) : new(operation.Task);
    }

    /// <summary>Removes expired results and old history now, at most 200 of each; for tests.</summary>
    internal Task PruneResultsAsync() => Open().PruneAsync();

    /// <summary>Writes jobs in a transaction of the application.</summary>
    /// <exception cref="ArgumentException">The transaction is of another kind, of another file, or over.</exception>
    public Guest GuestOf(DbTransaction transaction) => transaction is SqliteTransaction sqlite
        ? Guest.Of(Open(), sqlite)
        : throw new ArgumentException(
            $"The transaction is a {transaction.GetType().FullName}; Jobs can only write in one of Microsoft.Data.Sqlite.", nameof(transaction));

    public override async Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken)
    {
        var starting = SqliteSubscription.StartAsync(Open(), options);
        try
        {
            return await starting.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _ = EndAsync(starting); // or it would take messages that nobody reads
            throw;
        }
    }

    public override Task<long> CountAsync(string queue, CancellationToken cancellationToken) =>
        Checked().Writer.DoAsync(tables => tables.Queue(queue, create: false) is { } no ? tables.Count(no) : 0, needsSync: false).WaitAsync(cancellationToken);

    public override JobJournal OpenJournal(string name) => new SqliteJournal(Checked, name);

    public override ResultStore Results
    {
        get
        {
            lock (gate)
            {
                return results ??= new(Open);
            }
        }
    }

    public override JobLog History
    {
        get
        {
            lock (gate)
            {
                return history ??= new(Open, jobsOptions?.Value ?? new());
            }
        }
    }

    public override TransportInspection Inspection => new SqliteInspection(Open, this, (jobsOptions?.Value ?? new()).DeadLetterQueue);

    public override ValueTask<TransportHealth> CheckHealthAsync(CancellationToken cancellationToken)
    {
        try
        {
            return new(Open().Health());
        }
        catch (JobTransportException e)
        {
            return new(new TransportHealth { Connection = new(IsUp: false, TimeSpan.Zero, e.Message) });
        }
    }

    public override SqliteBroadcast Broadcast
    {
        get
        {
            lock (gate)
            {
                return broadcast ??= new(Open);
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await (broadcast?.CloseAsync(time) ?? Task.CompletedTask).ConfigureAwait(false); // while the file is open
        Engine? closing;
        lock (gate)
        {
            closed = true;
            (closing, engine) = (engine, null);
        }

        if (closing is not null)
        {
            await closing.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <exception cref="JobTransportException">The file cannot be used.</exception>
    Engine Open()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            return engine ??= Start(DatabaseFile.Prepare(sqliteOptions.Value.File, time));
        }
    }

    /// <summary>The engine, for a call that waits for the writer.</summary>
    Engine Checked()
    {
        var engine = Open();
        Guest.RefuseDeadlock(engine);
        return engine;
    }

    Engine Start(DatabaseFile file)
    {
        try
        {
            // What runs for the life of the process must not carry the context of its first caller.
            using (ExecutionContext.SuppressFlow())
            {
                return new(file, time, logger) { PruneHistory = ((SqliteLog)History).Prune };
            }
        }
        catch (Exception e)
        {
            file.Database.Dispose();
            throw SqliteErrors.CannotUse(file.Path, e); // for example, a table is missing
        }
    }

    static async Task EndAsync(Task<JobSubscription> starting)
    {
        try
        {
            await (await starting.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It has not started, or ends with the transport.
        }
    }

    static async ValueTask CancellableAsync(PublishOperation operation, CancellationToken cancellationToken)
    {
        using var cancelling = cancellationToken.UnsafeRegister(
            static (state, token) => ((PublishOperation)state!).GiveUp(new OperationCanceledException(token)), operation);
        await operation.Task.ConfigureAwait(false);
    }
}
