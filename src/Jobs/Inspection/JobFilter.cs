using System.Globalization;
using System.IO.Enumeration;

namespace Jobs.Inspection;

/// <summary>A query, made ready to be asked of many jobs. Used by one thread at a time.</summary>
sealed class JobFilter
{
    readonly JobQuery query;
    readonly Pattern task;
    readonly Pattern queue;
    readonly Pattern worker;

    JobFilter(JobQuery query)
    {
        this.query = query;
        (task, queue, worker) = (new(query.Task), new(query.Queue), new(query.Worker));
        (From, To) = (query.From?.UtcTicks ?? 0, query.To?.UtcTicks ?? long.MaxValue);
    }

    /// <summary>The only job that can match, when the query has a whole id; <see langword="null"/> otherwise.</summary>
    public JobKey? Single => query.Id is { } id && JobKey.Of(id) is { Text: null } key ? key : null;

    /// <summary>The times of the query, in ticks.</summary>
    public long From { get; }

    /// <inheritdoc cref="From"/>
    public long To { get; }

    /// <exception cref="ArgumentException">The page size or the time-out is not valid.</exception>
    public static JobFilter Of(JobQuery query)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentOutOfRangeException.ThrowIfLessThan(query.PageSize, 1, nameof(query));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(query.PageSize, 1000, nameof(query));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(query.Timeout, TimeSpan.Zero, nameof(query));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(query.Timeout, TimeSpan.FromHours(1), nameof(query));
        return new(query);
    }

    public bool Matches(JobRecord job) =>
        job.LastAt >= From && job.FirstAt <= To
        && (query.States is not { Count: > 0 } states || states.Contains(job.State))
        && task.Matches(job.Task) && queue.Matches(job.Queue) && worker.Matches(job.Worker)
        && (string.IsNullOrEmpty(query.Id) || job.Key.StartsWith(query.Id))
        && (string.IsNullOrEmpty(query.ArgumentText) || JobText.Contains(job.Args, query.ArgumentText) || JobText.Contains(job.Kwargs, query.ArgumentText))
        && (!HasError || Array.Exists(job.Attempts, attempt => attempt.Failure is { } failure && Matches(failure)));

    /// <summary>Whether a failure at that time counts.</summary>
    public bool Matches(in AttemptRecord attempt) => attempt.Ended >= From && attempt.Ended <= To;

    bool HasError => !string.IsNullOrEmpty(query.ErrorText) || !string.IsNullOrEmpty(query.ErrorType) || query.ErrorFrame is not null;

    bool Matches(JobFailure failure) =>
        (string.IsNullOrEmpty(query.ErrorType) || failure.Type == query.ErrorType)
        && (query.ErrorFrame is null || failure.Frame == query.ErrorFrame)
        && (string.IsNullOrEmpty(query.ErrorText) || failure.Contains(query.ErrorText));

    /// <summary>
    /// A name with stars. Names are interned, so each one is compared once and then recognised by its reference.
    /// </summary>
    sealed class Pattern(string? text)
    {
        readonly Dictionary<string, bool> known = new(ReferenceEqualityComparer.Instance);
        string? last;
        bool lastMatched;

        public bool Matches(string? name)
        {
            if (string.IsNullOrEmpty(text))
            {
                return true;
            }

            if (name is null)
            {
                return false;
            }

            if (!ReferenceEquals(name, last))
            {
                if (!known.TryGetValue(name, out lastMatched))
                {
                    known[name] = lastMatched = FileSystemName.MatchesSimpleExpression(text, name, ignoreCase: true);
                }

                last = name;
            }

            return lastMatched;
        }
    }
}

/// <summary>The place behind a job, in the order of pages.</summary>
/// <param name="At">When the job was first heard of, in ticks.</param>
/// <param name="Id">The id of the job; empty for the place behind all jobs of that time.</param>
/// <param name="Window">How much of the log to read at once from there on, in ticks; 0 for the usual.</param>
readonly record struct JobCursor(long At, string Id, long Window = 0)
{
    /// <exception cref="ArgumentException">It is no cursor.</exception>
    public static JobCursor? Of(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        var point = text.IndexOf('.', StringComparison.Ordinal);
        var numbers = text[..Math.Max(point, 0)].Split('-');
        return point > 0 && numbers.Length <= 2 && Number(numbers[0]) is { } at && Number(numbers.ElementAtOrDefault(1) ?? "0") is { } window
            ? new(at, text[(point + 1)..], window)
            : throw new ArgumentException($"'{text}' is no cursor; take JobPage.Next of the page before.", nameof(text));
    }

    /// <summary>Whether a job comes after this place.</summary>
    public bool IsBefore(long at, JobKey key) => at < At || (at == At && Id.Length > 0 && string.CompareOrdinal(key.ToString(), Id) < 0);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{At:x}{(Window == 0 ? "" : $"-{Window:x}")}.{Id}");

    static long? Number(string text) =>
        long.TryParse(text, NumberStyles.AllowHexSpecifier, null, out var number) && number >= 0 && number <= DateTimeOffset.MaxValue.Ticks ? number : null;
}
