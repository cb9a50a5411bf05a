using System.Globalization;
using System.Text;

namespace Jobs.Inspection;

/// <summary>Merges an event into what is known of its job, in whatever order events arrive.</summary>
/// <remarks>
/// As Celery does (celery-protocol.md §9.3): 1. A state of a lower rank does not replace one of a higher rank; its event
/// only fills what is missing. 2. A retry begins the job anew, so between a retry and another state the later one wins.
/// 3. Later is decided by the worker's clock, if both events are of one worker and have a clock, and else by the time.
/// </remarks>
static class JobMerge
{
    const byte RetryRank = 2;
    const int TraceLength = 32;

    public static void Apply(JobRecord job, JobEvent news, TextPool pool)
    {
        var worker = news.Kind == EventKind.Sent ? null : pool.Name(news[EventText.Hostname]);
        var clock = news.Count(EventNumber.Clock) ?? 0;
        var (state, rank) = StateOf(news);
        var isOlder = job.StateWorker is { } said && said == worker && clock > 0 && job.StateClock > 0 ? clock < job.StateClock : news.At < job.StateAt;
        job.FirstAt = job.FirstAt == 0 ? news.At : Math.Min(job.FirstAt, news.At);
        job.LastAt = Math.Max(job.LastAt, news.At);
        Fill(job, news, isOlder, pool);
        AttemptMerge.Apply(job, news, worker, state, pool);
        var begins = rank == RetryRank || job.Rank == RetryRank || rank == job.Rank;
        if (begins ? !isOlder : rank > job.Rank)
        {
            (job.State, job.Rank, job.StateAt, job.StateClock, job.StateWorker) = (state, rank, news.At, clock, worker);
            job.Worker = worker ?? job.Worker;
        }

        job.Worker ??= worker;
    }

    static (JobState State, byte Rank) StateOf(JobEvent news) => news.Kind switch
    {
        EventKind.Succeeded => (JobState.Succeeded, 9),
        EventKind.Failed => (JobState.Dead, 8),
        EventKind.Custom => (JobState.Running, 7),
        EventKind.Revoked => (news.Expired ? JobState.Expired : JobState.Revoked, 6),
        EventKind.Started => (JobState.Running, 5),
        EventKind.Received => (JobState.Queued, 4),
        EventKind.Rejected => (news.Requeue ? JobState.Queued : JobState.Dead, 3),
        EventKind.Retried => (JobState.Retrying, RetryRank),
        EventKind.Cancelled => (JobState.Queued, RetryRank), // the worker gave it back, so it begins anew too
        _ => (JobState.Queued, 1),
    };

    static void Fill(JobRecord job, JobEvent news, bool isOlder, TextPool pool)
    {
        job.Task = Newer(job.Task, pool.Name(news[EventText.Name]), isOlder);
        job.Queue = Newer(job.Queue, pool.Name(news[EventText.Queue]), isOlder);
        job.Args = Newer(job.Args, news[EventText.Args], isOlder);
        job.Kwargs = Newer(job.Kwargs, news[EventText.Kwargs], isOlder);
        job.Result = Newer(job.Result, news[EventText.Result], isOlder);
        job.Retries = (int)Math.Max(job.Retries, Math.Min(news.Count(EventNumber.Retries) ?? 0, int.MaxValue));
        job.Eta = TimeOf(news[EventText.Eta]) is var eta and not 0 && (job.Eta == 0 || !isOlder) ? eta : job.Eta;
        job.Expires = TimeOf(news[EventText.Expires]) is var expires and not 0 && (job.Expires == 0 || !isOlder) ? expires : job.Expires;
        job.TraceId = TraceOf(news[EventText.TraceId]) is var trace && trace != 0 && (job.TraceId == 0 || !isOlder) ? trace : job.TraceId;
        if (news.Kind == EventKind.Sent)
        {
            job.SentAt = news.At;
        }

        if (job.Kin is null && (!news[EventText.RootId].IsEmpty || !news[EventText.ParentId].IsEmpty))
        {
            var root = news[EventText.RootId].IsEmpty ? default : JobKey.Of(news[EventText.RootId]);
            var parent = news[EventText.ParentId].IsEmpty ? default : JobKey.Of(news[EventText.ParentId]);
            job.Kin = (root.IsNone || root == job.Key) && parent.IsNone ? null : (root, parent);
        }
    }

    static string? Newer(string? known, string? news, bool isOlder) => known is null || (news is not null && !isOlder) ? news : known;

    static byte[]? Newer(byte[]? known, ReadOnlySpan<byte> news, bool isOlder) =>
        known is null || (!news.IsEmpty && !isOlder && !news.SequenceEqual(known)) ? JobText.Keep(news) : known;

    static UInt128 TraceOf(ReadOnlySpan<byte> text) =>
        text.Length == TraceLength && UInt128.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var trace) ? trace : 0;

    // As Python writes it: with or without an offset; without one it is UTC.
    static long TimeOf(ReadOnlySpan<byte> text)
    {
        const int Longest = 40;
        const DateTimeStyles Utc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;
        Span<char> chars = stackalloc char[Longest];
        return text.Length is > 0 and <= Longest
            && DateTimeOffset.TryParse(chars[..Encoding.UTF8.GetChars(text, chars)], CultureInfo.InvariantCulture, Utc, out var time)
            ? time.UtcTicks
            : 0;
    }
}
