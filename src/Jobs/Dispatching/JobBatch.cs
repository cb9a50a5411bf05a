using System.Collections.Immutable;
using Jobs.Diagnostics;
using Jobs.Transport;

namespace Jobs.Dispatching;

/// <summary>
/// Jobs that are published in one call. A completed batch takes new jobs, so that its lists are allocated once.
/// </summary>
sealed class JobBatch
{
    const int Size = 128;

    readonly List<Outgoing> outgoing = new(Size);
    readonly List<Sent> jobs = new(Size);
    ValueTask<IReadOnlyDictionary<int, Exception>> publish;

    public bool IsFull => outgoing.Count == Size;

    public void Add(in Outgoing message, Sent job)
    {
        outgoing.Add(message);
        jobs.Add(job);
    }

    /// <summary>Begins to publish the jobs. Does not throw.</summary>
    public void Publish(JobDispatcher dispatcher, CancellationToken cancellationToken)
    {
        try
        {
            publish = outgoing.Count == 0 ? new(ImmutableDictionary<int, Exception>.Empty) : dispatcher.PublishAsync(outgoing, cancellationToken);
        }
        catch (Exception e)
        {
            publish = ValueTask.FromException<IReadOnlyDictionary<int, Exception>>(e);
        }
    }

    /// <summary>Waits until each job is enqueued or has failed. Does not throw.</summary>
    /// <param name="dispatcher">Sends the jobs.</param>
    /// <param name="fail">Called for each job that was not enqueued.</param>
    public async ValueTask CompleteAsync(JobDispatcher dispatcher, Action<int, Exception> fail)
    {
        IReadOnlyDictionary<int, Exception>? failures = null;
        Exception? whole = null;
        try
        {
            failures = await publish.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            whole = e;
        }

        for (var i = 0; i < jobs.Count; i++)
        {
            if ((whole ?? failures!.GetValueOrDefault(i)) is { } e)
            {
                dispatcher.Failed(e, jobs[i].Awaited);
                fail(jobs[i].Position, e);
            }
            else
            {
                dispatcher.Sent(outgoing[i]);
            }
        }

        // After all failures are reported: a listener of metrics or traces may throw.
        for (var i = 0; i < jobs.Count; i++)
        {
            jobs[i].Observation?.End(whole ?? failures!.GetValueOrDefault(i));
        }

        outgoing.Clear();
        jobs.Clear();
    }

    /// <param name="Position">The place of the job among those that its caller gave.</param>
    /// <param name="Awaited">
    /// The ids of the jobs whose results somebody waits for; <see langword="null"/> for none.
    /// </param>
    /// <param name="Observation">The observation; <see langword="null"/> when nobody listens.</param>
    public readonly record struct Sent(int Position, List<string>? Awaited, SendObservation? Observation);
}
