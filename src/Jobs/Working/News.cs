using Jobs.Diagnostics;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>
/// Tells callers of jobs that run: that a job has started, and how far it is. How a job ended is a follow-up instead
/// (<see cref="FollowUps"/>), because that must not be lost. News that do not arrive do no harm.
/// </summary>
sealed class News(JobTransport transport, IOptions<JobsOptions> options, TimeProvider time, ILogger<News> logger)
{
    static readonly TimeSpan patience = TimeSpan.FromSeconds(10);

    readonly bool trackStarted = options.Value.TrackStarted;
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);

    /// <summary>The job starts. Does not wait.</summary>
    public void Started(Attempt attempt)
    {
        attempt.After!.Started = time.GetUtcNow();
        if (attempt.WantsResult && (trackStarted || attempt.Message.ReplyTo == ResultStore.ById))
        {
            _ = SendAsync(attempt, About(attempt), CancellationToken.None);
        }
    }

    /// <summary>The run is over.</summary>
    public void Ended(Attempt attempt) => attempt.After!.Ended = time.GetUtcNow();

    /// <summary>The task reports how far it is.</summary>
    public Task ProgressAsync(Attempt attempt, double progress, string? text, CancellationToken cancellationToken) => attempt.WantsResult
        ? SendAsync(attempt, About(attempt) with { Progress = progress, ProgressText = text }, cancellationToken)
        : Task.CompletedTask;

    static JobStatus About(Attempt attempt) => new()
    {
        Id = attempt.Id,
        State = JobState.Running,
        StartedAt = attempt.After?.Started,
        Attempts = attempt.Number,
    };

    async Task SendAsync(Attempt attempt, JobStatus news, CancellationToken cancellationToken)
    {
        try
        {
            var message = ResultMessage.Write(news, attempt.Message.CorrelationId ?? news.Id, expires: null);
            var outgoing = new Outgoing(attempt.Message.ReplyTo!, message, Kind: OutgoingKind.Reply);
            await transport.PublishAsync(outgoing, patience, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Log.NewsNotSent(logger, attempt.TaskName, attempt.Id, e);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The transport closes.
        }
    }
}
