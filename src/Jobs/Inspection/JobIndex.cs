namespace Jobs.Inspection;

/// <summary>
/// The jobs that were last heard of first, in memory: bounded by number and by bytes. All methods may be called by any
/// thread.
/// </summary>
/// <param name="mostJobs">How many jobs are kept.</param>
/// <param name="mostBytes">How much memory they may take, about.</param>
sealed class JobIndex(int mostJobs, long mostBytes)
{
    const int MostRelatives = 1_000;

    readonly Lock gate = new();
    readonly TextPool pool = new();
    readonly Dictionary<JobKey, JobRecord> jobs = [];
    readonly List<JobRecord> order = []; // by sequence
    readonly HashSet<JobRecord> failed = []; // those with a failure; open pages ask for these every two seconds
    readonly HashSet<JobRecord> related = []; // those with a parent, or with another job as their root
    int gone; // how many at its beginning
    long dropped; // how many are not even in the list any more
    long sequence;
    long bytes;

    /// <summary>How many jobs there are.</summary>
    public int Count
    {
        get
        {
            lock (gate)
            {
                return jobs.Count;
            }
        }
    }

    /// <summary>About how much memory they take.</summary>
    public long Bytes
    {
        get
        {
            lock (gate)
            {
                return bytes;
            }
        }
    }

    /// <summary>Whether jobs had to go.</summary>
    public bool HasEvicted
    {
        get
        {
            lock (gate)
            {
                return sequence > jobs.Count;
            }
        }
    }

    /// <summary>When the oldest job was first heard of, in ticks; 0 when there is none.</summary>
    public long OldestAt
    {
        get
        {
            lock (gate)
            {
                return jobs.Count == 0 ? 0 : order[gone].FirstAt;
            }
        }
    }

    /// <summary>Takes an event of a job.</summary>
    /// <returns>The job; <see langword="null"/> when the event does not say which.</returns>
    public JobRecord? Apply(JobEvent news)
    {
        if (news.At == 0 || news[EventText.Uuid].IsEmpty)
        {
            return null;
        }

        var key = JobKey.Of(news[EventText.Uuid]);
        lock (gate)
        {
            if (!jobs.TryGetValue(key, out var job))
            {
                jobs[key] = job = new(key, sequence++);
                order.Add(job);
            }
            else
            {
                bytes -= job.Bytes;
            }

            JobMerge.Apply(job, news, pool);
            bytes += job.Bytes;
            if (job.Kin is not null)
            {
                related.Add(job);
            }

            if (HasFailure(job))
            {
                failed.Add(job);
            }

            while (jobs.Count > mostJobs || (bytes > mostBytes && jobs.Count > 1))
            {
                RemoveOldest();
            }

            return job;
        }
    }

    public bool Contains(JobKey key)
    {
        lock (gate)
        {
            return jobs.ContainsKey(key);
        }
    }

    /// <summary>What is known of a job, with its relatives.</summary>
    public JobInfo? Find(JobKey key)
    {
        lock (gate)
        {
            if (!jobs.TryGetValue(key, out var job))
            {
                return null;
            }

            var root = job.Kin is { Root: { IsNone: false } first } ? first : key;
            var (children, chain) = (new List<string>(), new List<string>());
            var kinsfolk = related.Where(other => other.Kin is { } kin && (kin.Parent == key || kin.Root == root));
            foreach (var other in (jobs.TryGetValue(root, out var head) ? kinsfolk.Append(head).Distinct() : kinsfolk).OrderBy(other => other.Sequence))
            {
                if (other.Kin is { } kin && kin.Parent == key && children.Count < MostRelatives)
                {
                    children.Add(other.Key.ToString());
                }

                if ((other.Key == root || other.Kin?.Root == root) && chain.Count < MostRelatives)
                {
                    chain.Add(other.Key.ToString());
                }
            }

            return JobAnswer.Of(job) with { Children = children, Chain = chain.Count > 1 ? chain : [] };
        }
    }

    /// <summary>The newest jobs that a filter lets through.</summary>
    /// <param name="filter">The filter.</param>
    /// <param name="after">Only jobs behind this place.</param>
    /// <param name="count">How many at most.</param>
    /// <param name="more">Another condition.</param>
    public List<JobRecordView> Search(JobFilter filter, JobCursor? after, int count, Func<JobRecord, bool>? more = null)
    {
        var found = new List<JobRecordView>();
        lock (gate)
        {
            var i = order.Count - 1;
            if (after is { } place && jobs.TryGetValue(JobKey.Of(place.Id), out var last) && last.FirstAt == place.At)
            {
                (i, after) = ((int)(last.Sequence - dropped) - 1, null);
            }

            for (; i >= gone && found.Count < count; i--)
            {
                var job = order[i];
                if (after?.IsBefore(job.FirstAt, job.Key) != false && filter.Matches(job) && more?.Invoke(job) != false)
                {
                    found.Add(new(JobAnswer.Of(job), job.Key, job.FirstAt));
                }
            }
        }

        return found;
    }

    /// <summary>The failures of the jobs that a filter lets through.</summary>
    public List<FailureGroup> Failures(JobFilter filter)
    {
        var groups = new Dictionary<(string Type, string Frame), FailureTally>();
        lock (gate)
        {
            foreach (var job in failed)
            {
                if (HasFailure(job) && filter.Matches(job))
                {
                    Tally(job, filter, groups);
                }
            }
        }

        return [.. groups.Values.Select(group => group.ToGroup()).OrderByDescending(group => group.Count).ThenByDescending(group => group.Last)];
    }

    static void Tally(JobRecord job, JobFilter filter, Dictionary<(string, string), FailureTally> groups)
    {
        foreach (ref readonly var attempt in job.Attempts.AsSpan())
        {
            if (attempt.Failure is { } failure && filter.Matches(attempt))
            {
                var kind = (failure.Type, failure.Frame);
                if (!groups.TryGetValue(kind, out var tally))
                {
                    groups[kind] = tally = new(failure);
                }

                tally.Add(job, attempt.Ended, failure);
            }
        }
    }

    static bool HasFailure(JobRecord job) => Array.Exists(job.Attempts, attempt => attempt.Failure is not null);

    void RemoveOldest()
    {
        var oldest = order[gone];
        order[gone++] = null!;
        jobs.Remove(oldest.Key);
        failed.Remove(oldest);
        related.Remove(oldest);
        bytes -= oldest.Bytes;
        if (gone > 1024 && gone > order.Count / 4)
        {
            order.RemoveRange(0, gone);
            (dropped, gone) = (dropped + gone, 0);
        }
    }
}

/// <summary>A job that was found, and its place.</summary>
readonly record struct JobRecordView(JobInfo Job, JobKey Key, long FirstAt)
{
    public JobCursor Cursor => new(FirstAt, Job.Id);
}
