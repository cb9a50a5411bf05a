using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Logging;

namespace Jobs.Results;

/// <summary>Reads what became of jobs, for the handles of one dispatcher.</summary>
sealed class ResultReader(JobTransport transport, WireTypes types, ILogger logger)
{
    static readonly string[] result = ["result"];

    // A timer takes no longer times: 2^32 milliseconds.
    static readonly TimeSpan mostOfTimers = TimeSpan.FromDays(49);

    public ResultStore Store => transport.Results;

    public async Task<JobStatus> StatusAsync(string id, CancellationToken cancellationToken) =>
        await Store.ReadAsync(id, cancellationToken).ConfigureAwait(false) ?? new JobStatus { Id = id };

    /// <summary>Waits until the job has succeeded.</summary>
    public async Task<JobStatus> EndAsync(string id, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (timeout <= TimeSpan.Zero && timeout != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "The time-out must be positive, or Timeout.InfiniteTimeSpan.");
        }

        if (timeout > mostOfTimers)
        {
            timeout = Timeout.InfiniteTimeSpan;
        }

        if (JobContext.Current is { } running)
        {
            Log.WaitsInsideOfJob(logger, running.TaskName, running.Id, id);
        }

        var status = await Store.WaitAsync(id, timeout, cancellationToken).ConfigureAwait(false);
        return status switch
        {
            null => throw new TimeoutException(
                $"Nothing was heard of job {id} in {timeout}. The id may be wrong, or the result may have expired."
                + (transport.Capabilities.HasFlag(TransportCapabilities.ResultsById) ? "" : " Only the process that enqueued the job hears of its result.")),
            { HasEnded: false } => throw new TimeoutException($"Job {id} has not ended in {timeout}: it is {status.State.ToString().ToLowerInvariant()}."),
            { State: JobState.Succeeded } => status,
            _ => throw new JobFailedException(status),
        };
    }

    /// <summary>The value that the task returned.</summary>
    public T Read<T>(JobStatus status, TaskDefinition? task)
    {
        if (status.IsDropped)
        {
            throw new InvalidOperationException(
                $"The result of job {status.Id} was dropped, because the results that nobody had read were larger than 64 MiB. The job has succeeded.");
        }

        byte[] list = [(byte)'[', .. status.Result.Span, (byte)']'];
        var reader = new ArgumentReader(task?.Name ?? status.Id, list, default, default, types).For(result);
        reader.Require();
        return task is TaskDefinition<T> definition ? definition.ReadResult(ref reader) : reader.GetObject<T>();
    }
}
