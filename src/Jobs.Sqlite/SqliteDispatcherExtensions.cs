using System.Data.Common;
using Jobs.Dispatching;
using Jobs.Sqlite;
using Jobs.Transport;

namespace Jobs;

/// <summary>Enqueues jobs in a transaction of the application.</summary>
public static class SqliteDispatcherExtensions
{
    /// <summary>
    /// Enqueues a job in your own transaction on the same database file. A worker gets the job when you commit the
    /// transaction, and never when you roll it back: the job and your data are there together, or neither is.
    /// </summary>
    /// <param name="dispatcher">A dispatcher of a host with <c>UseSqlite</c>.</param>
    /// <param name="job">The job.</param>
    /// <param name="transaction">
    /// A transaction of Microsoft.Data.Sqlite; with EF Core,
    /// <c>Database.CurrentTransaction.GetDbTransaction()</c>.
    /// </param>
    /// <param name="cancellationToken">Gives the call up; then roll the transaction back.</param>
    /// <remarks>
    /// The job is as durable as your commit: with <c>PRAGMA synchronous</c> below FULL on your connection, a power cut
    /// may lose it. While your transaction is open, no process enqueues or runs a job: keep it short.
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// The dispatcher is not over SQLite, the transaction is of another kind, of another file, or over; or the job's
    /// options contradict each other.
    /// </exception>
    /// <exception cref="JobPublishException">
    /// The job was not enqueued. Roll the transaction back, or go on without the job.
    /// </exception>
    public static Task<JobHandle> EnqueueAsync(
        this IJobDispatcher dispatcher, Job job, DbTransaction transaction, CancellationToken cancellationToken = default) =>
        SendAsync(dispatcher, _ => (job, default), transaction, static sent => new JobHandle(sent), cancellationToken);

    /// <summary>Enqueues a job whose task returns a value in your own transaction.</summary>
    /// <inheritdoc cref="EnqueueAsync(IJobDispatcher, Job, DbTransaction, CancellationToken)"/>
    public static Task<JobHandle<T>> EnqueueAsync<T>(
        this IJobDispatcher dispatcher, Job<T> job, DbTransaction transaction, CancellationToken cancellationToken = default) =>
        SendAsync(dispatcher, _ => (job, default), transaction, static sent => new JobHandle<T>(sent), cancellationToken);

    /// <summary>Enqueues a chain in your own transaction: its first job, whose message carries the others.</summary>
    /// <param name="dispatcher">A dispatcher of a host with <c>UseSqlite</c>.</param>
    /// <param name="chain">The chain.</param>
    /// <param name="transaction">As for one job.</param>
    /// <param name="cancellationToken">Gives the call up; then roll the transaction back.</param>
    /// <inheritdoc cref="EnqueueAsync(IJobDispatcher, Job, DbTransaction, CancellationToken)" path="/*[self::remarks or self::exception]"/>
    public static Task<JobHandle> EnqueueAsync(
        this IJobDispatcher dispatcher, Chain chain, DbTransaction transaction, CancellationToken cancellationToken = default) =>
        SendAsync(dispatcher, sqlite => sqlite.Split(chain), transaction, static sent => new JobHandle(sent), cancellationToken);

    /// <summary>Enqueues a chain whose last task returns a value in your own transaction.</summary>
    /// <typeparam name="T">What the last task returns.</typeparam>
    /// <inheritdoc cref="EnqueueAsync(IJobDispatcher, Chain, DbTransaction, CancellationToken)"/>
    public static Task<JobHandle<T>> EnqueueAsync<T>(
        this IJobDispatcher dispatcher, Chain<T> chain, DbTransaction transaction, CancellationToken cancellationToken = default) =>
        SendAsync(dispatcher, sqlite => sqlite.Split(chain), transaction, static sent => new JobHandle<T>(sent), cancellationToken);

    // Not async: what the transport notes of the caller's flow must still be there when this returns.
    static Task<THandle> SendAsync<THandle>(
        IJobDispatcher dispatcher, Func<JobDispatcher, (Job First, ReadOnlyMemory<Link> Later)> split, DbTransaction transaction,
        Func<SentJobHandle, THandle> handle, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dispatcher);
        ArgumentNullException.ThrowIfNull(transaction);
        if (dispatcher is not JobDispatcher { Transport: SqliteTransport transport } sqlite)
        {
            throw new ArgumentException("Only a dispatcher of a host with UseSqlite can enqueue in a transaction.", nameof(dispatcher));
        }

        var guest = transport.GuestOf(transaction);
        return WriteAsync();

        async Task<THandle> WriteAsync()
        {
            var (job, later) = split(sqlite);
            ArgumentNullException.ThrowIfNull(job);
            var results = sqlite.AnyWantsResult(job, later) ? ResultStore.ById : null;
            var outgoing = sqlite.Encode(job, later, results, out var sent, out var observation);
            try
            {
                await guest.WriteAsync(outgoing, JobDispatcher.Awaited(outgoing, later), sqlite.EnqueueTimeout, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                observation?.End(e);
                throw;
            }

            observation?.End();
            return handle(sent);
        }
    }
}
