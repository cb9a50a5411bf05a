using System.Globalization;
using Jobs.Dispatching;
using Jobs.Registry;

namespace Jobs.Beat;

/// <summary>A named schedule: when, what, and what to do about slots that were missed.</summary>
sealed record Schedule
{
    // More missed slots than these are not looked at one by one.
    const int MostWalked = 10_000;

    /// <exception cref="ArgumentException">The name, the policy or an option of the job is not valid.</exception>
    public Schedule(string name, SlotSource slots, Job job, MisfirePolicy misfire)
    {
        ArgumentNullException.ThrowIfNull(slots);
        ArgumentNullException.ThrowIfNull(job);
        Validate(name, misfire);
        if (job.Id is not null || job.Eta is not null)
        {
            throw new ArgumentException($"The job of schedule '{name}' has {(job.Id is not null ? $"the Id '{job.Id}'" : $"the Eta {job.Eta:u}")}: leave it unset, the slot gives it.", nameof(job));
        }

        JobEncoder.Validate(job); // what would be refused at every slot is refused now
        Name = name;
        Slots = slots;
        Job = job;
        Misfire = misfire;
    }

    public string Name { get; }

    public SlotSource Slots { get; }

    public Job Job { get; }

    public MisfirePolicy Misfire { get; }

    /// <summary>Since when there is this schedule, when it was set at run time; slots before that are none.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Its slots pass without a job.</summary>
    public bool IsPaused { get; init; }

    /// <exception cref="ArgumentException">The name cannot be part of a job id, or there is no such policy.</exception>
    public static void Validate(string name, MisfirePolicy misfire)
    {
        // The alphabet and length of task names leave room for the slot within the 255 bytes of an id.
        if (!TaskName.IsValid(name))
        {
            throw new ArgumentException(
                $"'{name}' is not a name for a schedule: use 1 to {TaskName.MaxLength} letters, digits, '.', '_', '-' or ':', beginning with a letter or '_', for example 'news.nightly'.");
        }

        // Configuration accepts a number for an enum, whatever the number.
        if (!Enum.IsDefined(misfire))
        {
            throw new ArgumentException($"{misfire} is not a misfire policy: use Once, Skip or All.");
        }
    }

    /// <summary>
    /// A moment after <paramref name="after"/> with at least <paramref name="keep"/> slots up to <paramref name="until"/>:
    /// looked for backwards, because the clock may have jumped over years of seconds.
    /// </summary>
    DateTimeOffset Shortly(DateTimeOffset after, DateTimeOffset until, int keep)
    {
        for (var window = TimeSpan.FromSeconds(keep + 1); window < until - after; window *= 2)
        {
            var from = until - window;
            var (slot, found) = (Slots.Next(from), 0);
            for (; slot is { } at && at <= until && found < keep; slot = Slots.Next(at))
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

    /// <summary>The job of one slot. Its id is made of name and slot alone, so that two beats can only ever produce the same job.</summary>
    public Job JobAt(DateTimeOffset slot) =>
        Job with { Schedule = Name, Id = string.Create(CultureInfo.InvariantCulture, $"{Name}@{slot.UtcDateTime:yyyyMMdd'T'HHmmss'Z'}") };

    /// <summary>The slot to fire now, given that all up to <paramref name="after"/> are dealt with. A slot later than the threshold is missed.</summary>
    public DueSlot Due(DateTimeOffset after, DateTimeOffset now, TimeSpan threshold, int cap)
    {
        var keep = Misfire switch { MisfirePolicy.Once => 1, MisfirePolicy.All => cap, _ => 0 };
        var missed = new Queue<DateTimeOffset>();
        var dropped = 0;
        var slot = Slots.Next(after);
        while (slot is { } at && at <= now && now - at > threshold)
        {
            if (dropped == MostWalked)
            {
                dropped += missed.Count + 1;
                missed.Clear();
                after = Shortly(at, now - threshold, keep);
                slot = Slots.Next(after);
                continue;
            }

            missed.Enqueue(at);
            if (missed.Count > keep)
            {
                after = missed.Dequeue();
                dropped++;
            }

            slot = Slots.Next(at);
        }

        return new(missed.TryPeek(out var oldest) ? oldest : slot <= now ? slot : null, after, dropped);
    }
}

/// <summary>What is due of one schedule at one moment.</summary>
/// <param name="Slot">The slot to fire, or <see langword="null"/> for none.</param>
/// <param name="After">All slots up to here are dealt with.</param>
/// <param name="Dropped">How many slots the misfire policy gave up just now; more than ten thousand are not counted on.</param>
readonly record struct DueSlot(DateTimeOffset? Slot, DateTimeOffset After, int Dropped);
