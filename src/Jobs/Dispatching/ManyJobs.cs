using Jobs.Transport;

namespace Jobs.Dispatching;

/// <summary>One <c>EnqueueManyAsync</c>: takes jobs from a sequence, and has several batches of them on their way at once.</summary>
/// <remarks>
/// 1. A job is encoded as soon as it is taken; one that cannot be sent is a failure of its position. 2. A full batch is
/// published. When all batches are on their way, the oldest is awaited
/// and used again. 3. When the sequence ends, throws or is given up, the batches on their way are awaited: whatever
/// happens, the caller is told of each job that was taken.
/// </remarks>
sealed class ManyJobs<THandle>(JobDispatcher dispatcher, TimeProvider time, Func<string, THandle> handle, CancellationToken cancellationToken)
    where THandle : JobHandle
{
    const int MaxBatches = 8;

    // A sequence that is slow must not hold back for long what it gave. Looked at when it gives the next job.
    static readonly TimeSpan longestWait = TimeSpan.FromMilliseconds(10);

    readonly Queue<JobBatch> inFlight = new(MaxBatches);
    readonly SortedDictionary<int, Exception> failures = [];
    List<THandle> handles = []; // null where a job failed: then only an exception gives the list away
    bool givenUp;

    public async Task<IReadOnlyList<THandle>> SendAsync(IEnumerable<Job> jobs)
    {
        handles = new(jobs.TryGetNonEnumeratedCount(out var count) ? count : 0);
        Exception? broken = null;
        var batch = new JobBatch();
        var begun = time.GetTimestamp();
        try
        {
            foreach (var job in jobs)
            {
                if (givenUp = cancellationToken.IsCancellationRequested)
                {
                    break;
                }

                Add(job, batch);
                if (batch.IsFull || time.GetElapsedTime(begun) > longestWait)
                {
                    Publish(batch);
                    batch = inFlight.Count < MaxBatches ? new() : await CompleteOldestAsync().ConfigureAwait(false);
                    begun = time.GetTimestamp();
                }
            }
        }
        catch (Exception e) // of the sequence: nothing else in the loop throws
        {
            broken = e;
        }

        Publish(batch);
        while (inFlight.Count > 0)
        {
            await CompleteOldestAsync().ConfigureAwait(false);
        }

        return Result(broken);
    }

    void Add(Job job, JobBatch batch)
    {
        try
        {
            var outgoing = dispatcher.Encode(job, out var observation);
            batch.Add(outgoing, handles.Count, observation);
            handles.Add(handle(outgoing.Message.CorrelationId!));
        }
        catch (Exception e)
        {
            Fail(handles.Count, e);
        }
    }

    void Publish(JobBatch batch)
    {
        batch.Publish(dispatcher, cancellationToken);
        inFlight.Enqueue(batch);
    }

    async ValueTask<JobBatch> CompleteOldestAsync()
    {
        var oldest = inFlight.Dequeue();
        await oldest.CompleteAsync(Fail).ConfigureAwait(false);
        return oldest;
    }

    void Fail(int position, Exception e)
    {
        failures.Add(position, e);
        if (position == handles.Count)
        {
            handles.Add(null!);
        }
        else
        {
            handles[position] = null!;
        }
    }

    IReadOnlyList<THandle> Result(Exception? broken)
    {
        if (cancellationToken.IsCancellationRequested && (givenUp || broken is OperationCanceledException || failures.Values.Any(e => e is OperationCanceledException)))
        {
            throw new JobBatchCanceledException(handles, failures, cancellationToken, broken);
        }

        return broken is null && failures.Count == 0 ? handles : throw new JobBatchException(handles, failures, broken);
    }
}
