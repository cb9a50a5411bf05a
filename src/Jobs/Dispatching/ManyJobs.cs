using Jobs.Transport;

namespace Jobs.Dispatching;

/// <summary>A job as it is, or the first job of a chain with what follows it.</summary>
delegate (Job First, ReadOnlyMemory<Link> Later) Split<in T>(JobDispatcher dispatcher, T job);

/// <summary>
/// One call of <c>EnqueueManyAsync</c>: takes jobs or chains from a sequence, and sends them in batches. Several batches are on
/// their way at once.
/// </summary>
/// <remarks>
/// 1. Take a job from the sequence and encode it. A job that cannot be sent is a failure at its position.
/// 2. Publish the batch when it is full, or when the sequence is slow. When all batches are on their way, await the
/// oldest and use it again.
/// 3. When the sequence ends or throws, or when the caller cancels, await the batches on their way: whatever happens,
/// the caller is told of each job that was taken.
/// </remarks>
sealed class ManyJobs<T, THandle>(
    JobDispatcher dispatcher, TimeProvider time, Split<T> split, Func<SentJobHandle, THandle> handle, CancellationToken cancellationToken)
    where THandle : JobHandle
{
    const int MaxBatches = 8;

    // A slow sequence must not hold back its first jobs for long. We look at the clock whenever the sequence gives a
    // job.
    static readonly TimeSpan longestWait = TimeSpan.FromMilliseconds(10);

    readonly Queue<JobBatch> inFlight = new(MaxBatches);
    readonly SortedDictionary<int, Exception> failures = [];
    List<THandle> handles = []; // null where a job failed: then the caller gets the list in an exception only
    bool givenUp;

    public async Task<IReadOnlyList<THandle>> SendAsync(IEnumerable<T> jobs)
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

                await AddAsync(job, batch).ConfigureAwait(false);
                if (batch.IsFull || time.GetElapsedTime(begun) > longestWait)
                {
                    Publish(batch);
                    batch = inFlight.Count < MaxBatches ? new() : await CompleteOldestAsync().ConfigureAwait(false);
                    begun = time.GetTimestamp();
                }
            }
        }
        catch (Exception e) // the sequence threw: nothing else in the loop does
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

    async ValueTask AddAsync(T item, JobBatch batch)
    {
        try
        {
            var (job, later) = split(dispatcher, item);
            ArgumentNullException.ThrowIfNull(job);

            // Asked anew for each job: the address changes when the process loses its reply queue.
            var results = dispatcher.AnyWantsResult(job, later)
                ? await dispatcher.OpenResultsAsync(job, cancellationToken).ConfigureAwait(false)
                : null;
            var outgoing = dispatcher.Encode(job, later, results, out var sent, out var observation);
            batch.Add(outgoing, new(handles.Count, results is null ? null : dispatcher.Expect(outgoing, later), observation));
            handles.Add(handle(sent));
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
        await oldest.CompleteAsync(dispatcher, Fail).ConfigureAwait(false);
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
        if (cancellationToken.IsCancellationRequested
            && (givenUp || broken is OperationCanceledException || failures.Values.Any(e => e is OperationCanceledException)))
        {
            throw new JobBatchCanceledException(handles, failures, cancellationToken, broken);
        }

        return broken is null && failures.Count == 0 ? handles : throw new JobBatchException(handles, failures, broken);
    }
}
