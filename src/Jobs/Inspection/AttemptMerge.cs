namespace Jobs.Inspection;

/// <summary>Finds the attempt that an event of a job belongs to.</summary>
/// <remarks>
/// Only some events say which attempt they are of, so time and worker decide: an event fills the attempt of its worker
/// that lacks this event, and whose other times fit. An event that comes twice finds its attempt again. What fits
/// nowhere begins another attempt.
/// </remarks>
static class AttemptMerge
{
    const int MostAttempts = 32;

    public static void Apply(JobRecord job, JobEvent news, string? worker, JobState state, TextPool pool)
    {
        var place = news.Kind switch
        {
            EventKind.Received => Find(job.Attempts, news, worker, static (in a, at) => a.Received == 0 && Fits(at, a.Started) && Fits(at, a.Ended)),
            EventKind.Started => Find(job.Attempts, news, worker, static (in a, at) => a.Started == 0 && a.Received <= at && Fits(at, a.Ended)),
            EventKind.Sent or EventKind.Custom => -1,
            _ => Find(job.Attempts, news, worker, static (in a, at) => a.Ended == 0 && Math.Max(a.Received, a.Started) <= at),
        };
        if (place < 0)
        {
            if (news.Kind is EventKind.Sent or EventKind.Custom or EventKind.Revoked)
            {
                return; // no attempt: nobody has begun with the job
            }

            place = Insert(job, news.At);
        }

        ref var attempt = ref job.Attempts[place];
        attempt.Worker ??= worker;
        attempt.Retry = (int)Math.Min(news.Count(EventNumber.Retries) ?? attempt.Retry, int.MaxValue);
        switch (news.Kind)
        {
            case EventKind.Received:
                attempt.Received = news.At;
                attempt.State = attempt.State == JobState.Unknown ? JobState.Queued : attempt.State;
                break;
            case EventKind.Started:
                attempt.Started = news.At;
                attempt.State = attempt.Ended == 0 ? JobState.Running : attempt.State;
                break;
            default:
                End(ref attempt, news, news.Kind is EventKind.Cancelled or EventKind.Rejected && state == JobState.Queued ? JobState.Retrying : state, pool);
                break;
        }
    }

    static void End(ref AttemptRecord attempt, JobEvent news, JobState state, TextPool pool)
    {
        (attempt.Ended, attempt.State) = (news.At, state);
        attempt.Runtime = (float)(news[EventNumber.Runtime] ?? float.NaN);
        if (news.Kind is EventKind.Failed or EventKind.Retried)
        {
            attempt.Failure = pool.Failure(news[EventText.Exception], news[EventText.Traceback]);
        }
    }

    delegate bool Lacks(in AttemptRecord attempt, long at);

    /// <returns>The place of the attempt, or -1.</returns>
    static int Find(AttemptRecord[] attempts, JobEvent news, string? worker, Lacks lacks)
    {
        var found = -1;
        for (var i = 0; i < attempts.Length; i++)
        {
            ref var attempt = ref attempts[i];
            if (attempt.Worker is not null && worker is not null && attempt.Worker != worker)
            {
                continue;
            }

            if (news.Count(EventNumber.Retries) is { } retries && attempt.Retry >= 0 && attempt.Retry != retries)
            {
                continue;
            }

            if (Has(attempt, news))
            {
                return i; // the same event again
            }

            // The end of an attempt belongs to the last one that began, a late beginning to the first that lacks one.
            if (lacks(attempt, news.At) && (found < 0 || news.Kind is not (EventKind.Received or EventKind.Started)))
            {
                found = i;
            }
        }

        return found;
    }

    static bool Has(in AttemptRecord attempt, JobEvent news) => news.At != 0 && news.At == news.Kind switch
    {
        EventKind.Received => attempt.Received,
        EventKind.Started => attempt.Started,
        _ => attempt.Ended,
    };

    static bool Fits(long at, long later) => later == 0 || later >= at;

    static int Insert(JobRecord job, long at)
    {
        var attempts = job.Attempts;
        if (attempts.Length == MostAttempts)
        {
            // The first one stays, because it says how it began.
            attempts = [attempts[0], .. attempts[2..]];
            job.AttemptsLeftOut++;
        }

        var place = attempts.Length;
        while (place > 0 && attempts[place - 1].At > at)
        {
            place--;
        }

        job.Attempts = [.. attempts[..place], new AttemptRecord { Retry = -1, Runtime = float.NaN }, .. attempts[place..]];
        return place;
    }
}
