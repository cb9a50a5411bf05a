using Jobs.Control;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Options;

namespace Jobs.Inspection;

/// <summary>Puts together what transport, workers, counts and keeper know of queues.</summary>
/// <param name="transport">Has the queues.</param>
/// <param name="history">Has the workers and their counts.</param>
/// <param name="keeper">Has the index of dead letters; <see langword="null"/> for none.</param>
/// <param name="tasks">The tasks of this program name queues.</param>
/// <param name="options">So do these options.</param>
/// <param name="time">The clock.</param>
sealed class QueueLook(
    JobTransport transport, JobHistory history, KeeperClient? keeper, TaskRegistry tasks, IOptions<JobsOptions> options, TimeProvider time)
{
    // The keeper's figure is one of many, and waits for no keeper that is away.
    static readonly TimeSpan keeperPatience = TimeSpan.FromSeconds(1);

    static readonly TimeSpan shortestSample = TimeSpan.FromSeconds(1);

    readonly Lock gate = new();
    readonly Dictionary<string, Sample> samples = new(StringComparer.Ordinal);

    public async Task<QueuePage> LookAsync(CancellationToken until)
    {
        var now = time.GetUtcNow().UtcTicks;
        var workers = history.Workers.List(now).Where(worker => worker.IsAlive).ToList();
        var asking = DeadAsync(until);
        var known = Own().Concat(workers.SelectMany(worker => worker.Queues)).Distinct(StringComparer.Ordinal).ToList();
        var page = await QueuesAsync(known, until).ConfigureAwait(false);
        var (dead, keeperProblem) = await asking.ConfigureAwait(false);
        return new()
        {
            Queues =
            [
                .. page.Queues.Where(queue => queue.Name != options.Value.DeadLetterQueue).OrderBy(queue => queue.Name, StringComparer.Ordinal)
                    .Select(queue => Complete(queue, workers, dead, now)),
            ],
            Problem = string.Join("; ", new[] { page.Problem, keeperProblem, history.Problem }.OfType<string>()) is { Length: > 0 } problem ? problem : null,
        };
    }

    IEnumerable<string> Own() => tasks.All.Select(task => task.Queue ?? options.Value.DefaultQueue).Append(options.Value.DefaultQueue);

    async Task<QueuePage> QueuesAsync(IReadOnlyCollection<string> known, CancellationToken until)
    {
        try
        {
            return await transport.Inspection.QueuesAsync(known, until).ConfigureAwait(false);
        }
        catch (Exception e) when (e is JobTransportException || (e is OperationCanceledException && until.IsCancellationRequested))
        {
            // What workers and keeper know is shown all the same.
            return new() { Queues = [.. known.Select(name => new QueueInfo { Name = name })], Problem = Inspector.Why(e) };
        }
    }

    async Task<(IReadOnlyDictionary<string, int>? Dead, string? Problem)> DeadAsync(CancellationToken until)
    {
        if (keeper is null)
        {
            return (null, null);
        }

        using var limit = new CancellationTokenSource(keeperPatience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, until);
        try
        {
            return ((await keeper.AskAsync(new() { Queues = true }, either.Token).ConfigureAwait(false)).Queues, null);
        }
        catch (Exception e) when (e is JobTransportException or OperationCanceledException)
        {
            return (null, "the keeper of the dead letters does not answer: no worker runs, or its term has just begun");
        }
    }

    QueueInfo Complete(QueueInfo queue, List<WorkerInfo> workers, IReadOnlyDictionary<string, int>? dead, long now)
    {
        var rate = history.Rates.Of(queue.Name, now);
        return queue with
        {
            Running = workers.Sum(worker => worker.Running.Count(job => job.Queue == queue.Name)),
            Consumers = queue.Consumers ?? workers.Count(worker => worker.Queues.Contains(queue.Name, StringComparer.Ordinal)),
            Dead = dead is null ? null : dead.GetValueOrDefault(queue.Name),
            InRate = queue.InRate ?? (queue.Waiting is { } waiting ? InRate(queue.Name, waiting, rate.Taken, now) : null),
            OutRate = queue.OutRate ?? rate.EndedPerSecond,
            Wait = rate.Wait,
        };
    }

    /// <summary>Jobs that have come: those that wait now beyond those that waited, and those that workers took.</summary>
    double? InRate(string queue, long waiting, long taken, long now)
    {
        lock (gate)
        {
            if (!samples.TryGetValue(queue, out var last))
            {
                samples[queue] = new(now, waiting, taken, null);
                return null;
            }

            var passed = TimeSpan.FromTicks(now - last.At);
            if (passed < shortestSample)
            {
                return last.Rate;
            }

            var rate = Math.Max(0, waiting - last.Waiting + taken - last.Taken) / passed.TotalSeconds;
            samples[queue] = new(now, waiting, taken, rate);
            return rate;
        }
    }

    readonly record struct Sample(long At, long Waiting, long Taken, double? Rate);
}
