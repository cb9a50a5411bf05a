using Jobs.Faults.Logs;
using Jobs.Wire;

namespace Jobs.Faults.Load;

/// <summary>What the workers run.</summary>
sealed class LoadTasks(RecordFile log, TimeProvider time)
{
    /// <summary>Attempts that no fault may use up: the load must never be a dead letter by itself.</summary>
    const int Retries = 20;

    /// <summary>The reason of the dead letters that are sent back.</summary>
    public const string Death = "It dies once, as it was made to.";

    /// <summary>The name of their task.</summary>
    public const string Dies = "faults.dying";

    /// <summary>Nothing but being counted.</summary>
    [Task("faults.plain", MaxRetries = Retries)]
    public void Plain(string text, JobContext context)
    {
        _ = text;
        var key = Start(context);
        log.Write(Said.Finished, key, context.Attempt);
    }

    /// <summary>One of three in a chain: hands on what it got.</summary>
    [Task("faults.link", MaxRetries = Retries)]
    public string Link(string text, JobContext context)
    {
        var key = Start(context);
        log.Write(Said.Finished, key, context.Attempt);
        return text;
    }

    /// <summary>Fails the first time.</summary>
    [Task("faults.retried", MaxRetries = Retries, RetryDelaySeconds = 2, MaxRetryDelaySeconds = 4)]
    public void Retried(string text, JobContext context)
    {
        _ = text;
        var key = Start(context);
        if (context.Attempt == 1)
        {
            log.Write(Said.Failed, key, context.Attempt);
            throw new InvalidOperationException("The first attempt fails, as it was made to.");
        }

        log.Write(Said.Finished, key, context.Attempt);
    }

    /// <summary>Takes one to three seconds.</summary>
    [Task("faults.slow", MaxRetries = Retries)]
    public Task Slow(string text, JobContext context) => WorkAsync(TimeSpan.FromMilliseconds(1000 + text.Length * 37 % 2000), context);

    /// <summary>Becomes a dead letter, and succeeds when it is sent back.</summary>
    [Task(Dies, MaxRetries = Retries)]
    public void Dying(string text, JobContext context)
    {
        _ = text;
        if (context.Headers.ContainsKey(WireHeaders.Request))
        {
            var stamp = context.Headers.GetValueOrDefault(WireHeaders.Copy) as int? ?? 0;
            log.Write(Said.Returned, KeyOf(context), stamp & byte.MaxValue);
            log.Write(Said.Finished, KeyOf(context), context.Attempt);
            return;
        }

        var key = Start(context);
        log.Write(Said.Died, key, context.Attempt);
        throw new DeadJobException(Death);
    }

    /// <summary>Acknowledged before it runs: what a negative control loses.</summary>
    [Task("faults.early", AckEarly = true)]
    public Task Early(string text, JobContext context) => WorkAsync(TimeSpan.FromMilliseconds(500 + text.Length % 2), context);

    async Task WorkAsync(TimeSpan length, JobContext context)
    {
        var key = Start(context);
        try
        {
            await Task.Delay(length, time, context.CancellationToken);
        }
        catch (OperationCanceledException)
        {
            log.Write(Said.Interrupted, key, context.Attempt);
            throw;
        }

        log.Write(Said.Finished, key, context.Attempt);
    }

    JobKey Start(JobContext context)
    {
        var key = KeyOf(context);
        log.Write(Said.Started, key, context.Attempt);
        return key;
    }

    // An id that is none of ours is a ghost; the check says so, not this process.
    static JobKey KeyOf(JobContext context) => JobKey.TryParse(context.Id, out var key) ? key : new(0, ushort.MaxValue, 0);
}
