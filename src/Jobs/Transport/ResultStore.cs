using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>
/// Where a process hears what became of the jobs whose result was asked for. A worker sends the news as messages of the
/// kind <see cref="OutgoingKind.Reply"/> to the address of the store.
/// </summary>
[Experimental("JOBS0001")]
public abstract class ResultStore
{
    /// <summary>The address of a store that every process can read. It is no queue.</summary>
    internal const string ById = "jobs.results";

    /// <summary>
    /// The address of the store: the <c>reply_to</c> of a job whose result is asked for. The first call may declare a
    /// queue at the broker.
    /// </summary>
    /// <exception cref="JobTransportException">There is no such address now.</exception>
    public abstract ValueTask<string> OpenAsync(CancellationToken cancellationToken);

    /// <summary>Why there is no address now; <see langword="null"/> when nothing has failed.</summary>
    public virtual string? Problem => null;

    /// <summary>
    /// A job is about to be enqueued: from now on the job is queued, and news of it is kept. Does not wait.
    /// </summary>
    public abstract void Expect(string id);

    /// <summary>The job was not enqueued after all. Does not wait.</summary>
    public abstract void Forget(string id);

    /// <summary>What is known of a job; <see langword="null"/> when nothing is.</summary>
    public abstract ValueTask<JobStatus?> ReadAsync(string id, CancellationToken cancellationToken);

    /// <summary>Waits until a job has ended. A wait that is cancelled leaves nothing behind.</summary>
    /// <param name="id">The id of the job.</param>
    /// <param name="timeout">How long to wait at most; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What is known then. After the time-out that may be no end, or nothing.</returns>
    public abstract ValueTask<JobStatus?> WaitAsync(string id, TimeSpan timeout, CancellationToken cancellationToken);
}
