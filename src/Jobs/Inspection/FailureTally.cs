namespace Jobs.Inspection;

/// <summary>Counts failures of one kind.</summary>
sealed class FailureTally(JobFailure failure)
{
    readonly JobFailure kind = failure;
    readonly SortedSet<string> tasks = new(StringComparer.Ordinal);
    JobRecord? lastJob;
    JobFailure lastFailure = failure;
    JobRecord? counted;
    int count;
    int jobs;
    int dead;
    long first = long.MaxValue;
    long last;

    /// <summary>Adds an attempt. The attempts of a job come one after another.</summary>
    public void Add(JobRecord job, long at, JobFailure failure)
    {
        count++;
        first = Math.Min(first, at);
        if (at >= last)
        {
            (last, lastJob, lastFailure) = (at, job, failure);
        }

        if (counted != job)
        {
            counted = job;
            jobs++;
            dead += job.State == JobState.Dead ? 1 : 0;
            tasks.Add(job.Task ?? "");
        }
    }

    public FailureGroup ToGroup() => new()
    {
        Type = kind.Type,
        Frame = kind.Frame,
        Count = count,
        Jobs = jobs,
        Dead = dead,
        Tasks = [.. tasks.Where(task => task.Length > 0)],
        First = new(first, TimeSpan.Zero),
        Last = new(last, TimeSpan.Zero),
        LastJobId = lastJob!.Key.ToString(),
        LastMessage = lastFailure.Message,
    };
}
