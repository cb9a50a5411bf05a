using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Working;

/// <summary>Makes the messages that tell callers how jobs ended, or that a job will run again.</summary>
sealed class EndNews(JobsOptions options)
{
    /// <summary>The error of a job that has expired; Celery's words.</summary>
    public static JobError Expired { get; } = new("celery.exceptions.TaskRevokedError", "expired");

    /// <summary>The news of an attempt, for its caller and for the callers of the jobs that will not run now.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="abandoned">The later jobs of its chain, when the chain ends here.</param>
    public IEnumerable<Outgoing> Of(Attempt attempt, IEnumerable<Signature> abandoned)
    {
        if (Status(attempt) is not { } status)
        {
            yield break;
        }

        if (attempt.WantsResult)
        {
            yield return Message(status, attempt.Message.ReplyTo!, attempt.Message.CorrelationId);
        }

        foreach (var (id, replyTo) in Links.Abandoned(abandoned))
        {
            yield return Message(status with { Id = id, StartedAt = null, Attempts = 0 }, replyTo, id);
        }
    }

    /// <summary>The news of a job that follows another, and that could not be sent.</summary>
    public IEnumerable<Outgoing> OfDeadLink(JobMessage link, string reason, DateTimeOffset at)
    {
        var status = new JobStatus { Id = link.CorrelationId!, State = JobState.Dead, EndedAt = at, Error = new(typeof(DeadJobException).FullName!, reason) };
        var later = Embed.OfMessage(link)?.Chain ?? [];
        return Links.Abandoned(later).Select(one => Message(status with { Id = one.Id }, one.ReplyTo, one.Id))
            .Concat(link.WantsResult ? [Message(status, link.ReplyTo!, status.Id)] : []);
    }

    // Null when nothing has changed for the caller.
    JobStatus? Status(Attempt attempt)
    {
        var status = new JobStatus { Id = attempt.Id, StartedAt = attempt.After?.Started, EndedAt = attempt.EndedAt, Attempts = attempt.Number };
        return attempt.Outcome switch
        {
            Outcome.Succeeded { Result: var result } => result.Length <= options.MaxResultBytes
                ? status with { State = JobState.Succeeded, Result = result }
                : status with { State = JobState.Dead, Error = TooLarge(result.Length) },
            Outcome.Dead dead => status with { State = JobState.Dead, Error = dead.News() },
            Outcome.Expired => status with { State = JobState.Expired, Attempts = 0, Error = Expired },
            Outcome.Retry retry => status with { State = JobState.Retrying, EndedAt = null, Error = Outcome.Dead.ErrorOf(retry.Failure) },
            _ => null,
        };
    }

    Outgoing Message(JobStatus status, string replyTo, string? correlationId) => new(
        replyTo,
        ResultMessage.Write(status, correlationId ?? status.Id, status.HasEnded ? status.EndedAt + options.ResultExpires : null),
        Kind: OutgoingKind.Reply);

    JobError TooLarge(int bytes) => new("Jobs.ResultTooLarge",
        $"The job has succeeded, but its result of {bytes} bytes is larger than MaxResultBytes ({options.MaxResultBytes}). Store it, and return where it is.");
}
