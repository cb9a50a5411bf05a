using Jobs.Diagnostics;
using Jobs.Events;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>Tells viewers what happens to jobs and to this worker, in Celery's events.</summary>
/// <remarks>
/// 1. By default each job only counts, and the counts are told each second. A failure, a retry and an expired job are
/// told one by one.
/// 2. With <see cref="EventLevel.All"/>, or while a viewer asks for it (<see cref="WatchLease"/>), each job is told
/// when the worker receives it, when it begins and when it ends. While any viewer watches, heartbeats name the jobs that
/// run.
/// 3. Nothing here waits or throws. What the broadcast cannot send in time is dropped.
/// </remarks>
sealed class JobEvents : IDisposable
{
    const int MostRunning = 100;

    static readonly TimeSpan betweenTries = TimeSpan.FromSeconds(30);

    readonly TimeProvider time;
    readonly ILogger logger;
    readonly WorkerProgress progress;
    readonly LamportClock clock;
    readonly EventLosses losses;
    readonly JobLog? history;
    readonly JobBroadcast? broadcast; // null when this process sends no events
    readonly bool alwaysAll;
    readonly SensitiveRule rule;
    readonly string? name;
    readonly WatchLease lease;
    readonly TaskCounts counts = new();
    readonly CancellationTokenSource stopping = new();
    readonly Lock gate = new();
    EventFeed? feed;
    ITimer? ticking;
    Task listening = Task.CompletedTask;
    IReadOnlyList<string> queues = [];
    int slots;
    DateTimeOffset since;
    int ticks;
    bool isAsked; // a viewer has come, and knows nothing yet

    public JobEvents(
        JobTransport transport, IOptions<JobsOptions> jobsOptions, IOptions<WorkerOptions> workerOptions, WorkerProgress progress, LamportClock clock,
        EventLosses losses, TimeProvider time, ILogger<JobEvents> logger)
    {
        (this.time, this.logger) = (GuardedTime.Of(time), GuardedLogger.Of(logger));
        (this.progress, this.clock, this.losses, name) = (progress, clock, losses, workerOptions.Value.Name);
        broadcast = jobsOptions.Value.Events == EventLevel.Off ? null : transport.Broadcast;
        history = broadcast is null ? null : EventFeed.HistoryOf(transport);
        (alwaysAll, rule) = (jobsOptions.Value.Events == EventLevel.All, new(jobsOptions.Value.SensitiveNames));
        lease = new(clock, this.time);
    }

    bool TellsAll => alwaysAll || lease.WantsAll;

    /// <summary>The worker begins.</summary>
    public void Start(IReadOnlyList<string> queues, int slots)
    {
        if (broadcast is null)
        {
            return;
        }

        (this.queues, this.slots, since) = (queues, slots, time.GetUtcNow());
        progress.Now = since.UtcTicks;
        feed = new(broadcast, history, NodeName.Take(name), clock, losses, time);
        feed.Send("worker.online", WorkerEvents.BeatsEvery * 2, Facts(), WorkerEvents.Online);
        using (ExecutionContext.SuppressFlow()) // both live as long as the worker
        {
            // Armed anew by each tick: a clock that jumps must not make up for all the ticks in between.
            ticking = time.CreateTimer(_ => Tick(), null, WorkerEvents.CountsEvery, Timeout.InfiniteTimeSpan);
            listening = Task.Run(ListenAsync, CancellationToken.None);
        }
    }

    /// <summary>The worker has ended.</summary>
    public async Task StopAsync()
    {
        if (feed is null || stopping.IsCancellationRequested)
        {
            return;
        }

        await stopping.CancelAsync().ConfigureAwait(false);
        lock (gate)
        {
            ticking!.Dispose();
            TellCounts(everything: false);
            feed.Send("worker.offline", WorkerEvents.BeatsEvery * 2, Facts(), WorkerEvents.Offline);
            feed.Dispose();
            NodeName.Release(feed.Node);
        }

        await listening.WaitAsync(WorkerEvents.BeatsEvery, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => stopping.Dispose();

    public void Received(Attempt attempt)
    {
        if (feed is null)
        {
            return;
        }

        var count = CountOf(attempt);
        count.AddReceived();
        if (count.WantsWait && attempt.Envelope is { } envelope && PublishTime.Of(envelope) is { } since)
        {
            count.Waited(attempt.ReceivedAt - since);
        }

        if (Tells(attempt) && HasId(attempt))
        {
            Tell(attempt, attempt.ReceivedAt, TaskEvents.Received);
        }
    }

    public void Started(Attempt attempt)
    {
        if (feed is null)
        {
            return;
        }

        CountOf(attempt).AddStarted();
        if (Tells(attempt))
        {
            Tell(attempt, time.GetUtcNow(), TaskEvents.Started);
        }
    }

    /// <summary>The outcome is decided.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="runtime">How long the task ran; zero when it did not run.</param>
    public void Decided(Attempt attempt, TimeSpan runtime)
    {
        if (feed is null)
        {
            return;
        }

        var count = CountOf(attempt);
        count.AddRuntime(runtime);
        switch (attempt.Outcome)
        {
            case Outcome.Succeeded succeeded:
                count.AddSucceeded();
                if (Tells(attempt))
                {
                    Tell(Event(attempt) with { Result = succeeded.Result, Runtime = runtime }, TaskEvents.Succeeded);
                }

                break;
            case Outcome.Retry retry:
                count.AddRetried();
                Tell(Failure(attempt, Outcome.Dead.ErrorOf(retry.Failure)), TaskEvents.Retried);
                break;
            case Outcome.Dead dead when HasId(attempt):
                count.AddFailed();
                Tell(Failure(attempt, dead.News()), TaskEvents.Failed);
                break;
            case Outcome.Dead:
                count.AddFailed();
                break;
            case Outcome.Expired:
                count.AddExpired();
                Tell(Event(attempt), TaskEvents.Expired);
                break;
            default:
                count.AddGivenBack();
                if (TellsAll)
                {
                    Tell(Event(attempt), TaskEvents.GivenBack);
                }

                break;
        }
    }

    bool Tells(Attempt attempt) => TellsAll || attempt.IsWatched;

    // The counts of tasks that this worker does not have share an entry: a sender must not be able to make up names.
    TaskCount CountOf(Attempt attempt) => counts.Of(attempt.Task?.Name ?? TelemetryNames.UnknownTask, attempt.Delivery.Queue);

    // A message without a readable id has no event: receivers keep jobs by their ids.
    static bool HasId(Attempt attempt) => attempt.Envelope is not null || attempt.Message.Headers.GetValueOrDefault(WireHeaders.Id) is string { Length: > 0 };

    JobEvent Event(Attempt attempt) => Event(attempt, time.GetUtcNow());

    JobEvent Event(Attempt attempt, DateTimeOffset at)
    {
        var isNew = !attempt.IsTold;
        attempt.IsTold = true;
        var facts = new JobFacts(
            attempt.Message, attempt.Envelope, attempt.Id, attempt.TaskName, attempt.Delivery.Queue, attempt.ReceivedAt, attempt.Task, rule);
        return new(facts, isNew, at);
    }

    JobEvent Failure(Attempt attempt, JobError error) =>
        Event(attempt) with { ErrorType = error.Type, ErrorMessage = error.Message, Stack = error.Stack };

    void Tell(Attempt attempt, DateTimeOffset at, WriteEvents<JobEvent> write) => Tell(Event(attempt, at), write);

    void Tell(in JobEvent what, WriteEvents<JobEvent> write) => feed!.Add(what, write);

    WorkerFacts Facts() => new(time.GetUtcNow(), since, progress.Busy, progress.Taken, slots, queues, lease.IsWatched ? Running() : null);

    List<RunningFacts> Running() =>
    [
        .. progress.Slots.Select(slot => slot.Run).OfType<(Attempt Attempt, long At)>().OrderBy(run => run.At).Take(MostRunning)
            .Select(run => new RunningFacts(run.Attempt.Id, run.Attempt.TaskName, run.Attempt.Delivery.Queue, new(run.At, TimeSpan.Zero))),
    ];

    void Tick()
    {
        lock (gate)
        {
            if (stopping.IsCancellationRequested)
            {
                return;
            }

            progress.Now = time.GetUtcNow().UtcTicks;
            lease.Look();
            TellCounts(everything: Interlocked.Exchange(ref isAsked, false));
            if (++ticks % (WorkerEvents.BeatsEvery / WorkerEvents.CountsEvery) == 0)
            {
                feed!.Send("worker.heartbeat", WorkerEvents.BeatsEvery * 2, Facts(), WorkerEvents.Heartbeat);
            }

            losses.Look(broadcast!);
            ticking!.Change(WorkerEvents.CountsEvery, Timeout.InfiniteTimeSpan);
        }
    }

    void TellCounts(bool everything)
    {
        if (counts.Untold(everything) is { Count: > 0 } untold)
        {
            feed!.Send("jobs.counts", WorkerEvents.CountsEvery * 2, (time.GetUtcNow(), since, untold), WorkerEvents.Counts);
            untold.ForEach(count => count.Told());
        }
    }

    async Task ListenAsync()
    {
        var isSaid = false;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await using var subscription = await broadcast!.ListenAsync(WatchLease.Topic, stopping.Token).ConfigureAwait(false);
                isSaid = false;
                while (await subscription.NextAsync(stopping.Token).ConfigureAwait(false) is { } message)
                {
                    if (lease.Take(message.Body))
                    {
                        Volatile.Write(ref isAsked, true);
                    }
                }

                return; // the transport closes
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (!isSaid)
                {
                    isSaid = true;
                    Log.ViewersUnheard(logger, e);
                }
            }

            await Task.Delay(betweenTries, time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
