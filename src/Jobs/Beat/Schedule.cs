using System.Globalization;
using Jobs.Dispatching;
using Jobs.Registry;

namespace Jobs.Beat;

/// <summary>A named schedule: when it fires, which job it enqueues, and what happens to missed occurrences.</summary>
sealed record Schedule
{
    // So many missed occurrences are looked at one by one, and no more.
    const int MostWalked = 10_000;

    /// <exception cref="ArgumentException">The name, the policy or an option of the job is not valid.</exception>
    public Schedule(string name, Timing timing, Job job, MisfirePolicy misfire)
    {
        ArgumentNullException.ThrowIfNull(timing);
        ArgumentNullException.ThrowIfNull(job);
        Validate(name, misfire);
        if (job.Id is not null || job.Eta is not null)
        {
            throw new ArgumentException($"The job of schedule '{name}' has {(job.Id is not null ? $"the Id '{job.Id}'" : $"the Eta {job.Eta:u}")}: "
                + "leave it unset, the occurrence gives it.", nameof(job));
        }

        JobEncoder.Validate(job); // refuses now what would be refused at every occurrence
        Name = name;
        Timing = timing;
        Job = job;
        Misfire = misfire;
    }

    public string Name { get; }

    public Timing Timing { get; }

    public Job Job { get; }

    public MisfirePolicy Misfire { get; }

    /// <summary>
    /// When the schedule was set at run time; <see langword="null"/> when it was not. Occurrences before this time do
    /// not count.
    /// </summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Whether the schedule is paused: its occurrences pass without a job.</summary>
    public bool IsPaused { get; init; }

    /// <exception cref="ArgumentException">The name cannot be part of a job id, or there is no such policy.</exception>
    public static void Validate(string name, MisfirePolicy misfire)
    {
        // The alphabet and length of task names leave room for the occurrence within the 255 bytes of an id.
        if (!TaskNameRule.IsValid(name))
        {
            throw new ArgumentException(
                $"'{name}' is not a name for a schedule: use 1 to {TaskNameRule.MaxLength} letters, digits, '.', '_', '-' or ':', beginning with a "
                    + "letter or '_', for example 'news.nightly'.");
        }

        // Configuration accepts a number for an enum, whatever the number.
        if (!Enum.IsDefined(misfire))
        {
            throw new ArgumentException($"{misfire} is not a misfire policy: use Once, Skip or All.");
        }
    }

    /// <summary>
    /// Finds a moment after <paramref name="after"/> with at least <paramref name="keep"/> occurrences from there to
    /// <paramref name="until"/>. The search goes backwards, because the clock may have jumped over years of seconds.
    /// </summary>
    DateTimeOffset Shortly(DateTimeOffset after, DateTimeOffset until, int keep)
    {
        for (var window = TimeSpan.FromSeconds(keep + 1); window < until - after; window *= 2)
        {
            var from = until - window;
            var (occurrence, found) = (Timing.Next(from), 0);
            for (; occurrence is { } at && at <= until && found < keep; occurrence = Timing.Next(at))
            {
                found++;
            }

            if (found == keep)
            {
                return from;
            }
        }

        return after;
    }

    /// <summary>
    /// The job of one occurrence. Its id is made of schedule name and occurrence alone, so that two beats can only ever
    /// make the same job.
    /// </summary>
    public Job JobAt(DateTimeOffset occurrence) => Job with { Schedule = Name, Id = IdAt(Name, occurrence) };

    /// <summary>The job of a request to run it now. Beside the occurrences, and also when the schedule is paused.</summary>
    public Job JobOf(RunRequest run) => Job with { Schedule = Name, Id = IdOf(run) };

    public static string IdAt(string name, DateTimeOffset occurrence) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}@{occurrence.UtcDateTime:yyyyMMdd'T'HHmmss'Z'}");

    /// <summary>The fraction tells the id from that of an occurrence.</summary>
    public static string IdOf(RunRequest run) =>
        string.Create(CultureInfo.InvariantCulture, $"{run.Schedule}@{EditClock.Time(run.Version).UtcDateTime:yyyyMMdd'T'HHmmss'.'fffffff'Z'}");

    /// <summary>Counts the occurrences after one moment, up to another.</summary>
    /// <param name="timing">When the schedule fires.</param>
    /// <param name="after">The occurrence at this time does not count.</param>
    /// <param name="until">The occurrence at this time counts.</param>
    /// <param name="most">The count ends here.</param>
    public static int Count(Timing timing, DateTimeOffset after, DateTimeOffset until, int most)
    {
        var count = 0;
        for (var occurrence = timing.Next(after); count < most && occurrence is { } at && at <= until; occurrence = timing.Next(at))
        {
            count++;
        }

        return count;
    }

    /// <summary>
    /// The occurrence to fire now, when all occurrences up to <paramref name="after"/> are dealt with. An occurrence
    /// counts as missed when it is late by more than the threshold.
    /// </summary>
    public DueOccurrence Due(DateTimeOffset after, DateTimeOffset now, TimeSpan threshold, int cap)
    {
        var keep = Misfire switch { MisfirePolicy.Once => 1, MisfirePolicy.All => cap, _ => 0 };
        var missed = new Queue<DateTimeOffset>();
        var dropped = 0;
        var occurrence = Timing.Next(after);
        while (occurrence is { } at && at <= now && now - at > threshold)
        {
            if (dropped == MostWalked)
            {
                dropped += missed.Count + 1;
                missed.Clear();
                after = Shortly(at, now - threshold, keep);
                occurrence = Timing.Next(after);
                continue;
            }

            missed.Enqueue(at);
            if (missed.Count > keep)
            {
                after = missed.Dequeue();
                dropped++;
            }

            occurrence = Timing.Next(at);
        }

        return new(missed.TryPeek(out var oldest) ? oldest : occurrence <= now ? occurrence : null, after, dropped);
    }
}

/// <summary>What is due for one schedule at one moment.</summary>
/// <param name="Occurrence">The occurrence to fire, or <see langword="null"/> for none.</param>
/// <param name="After">All occurrences up to this time are dealt with.</param>
/// <param name="Dropped">
/// How many occurrences the misfire policy gave up just now. Counting stops at somewhat more than ten thousand.
/// </param>
readonly record struct DueOccurrence(DateTimeOffset? Occurrence, DateTimeOffset After, int Dropped);
