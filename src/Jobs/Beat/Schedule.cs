namespace Jobs.Beat;

/// <summary>A named schedule: when, what, and what to do about slots that were missed.</summary>
sealed record Schedule
{
    public Schedule(string name, SlotSource slots, Job job, MisfirePolicy misfire)
    {
        Name = name;
        Slots = slots;
        Job = job;
        Misfire = misfire;
    }

    public string Name { get; }

    public SlotSource Slots { get; }

    public Job Job { get; }

    public MisfirePolicy Misfire { get; }
}

/// <summary>The moments at which a schedule fires. A pure function of time.</summary>
abstract class SlotSource
{
    public static SlotSource Cron(string expression, TimeZoneInfo timeZone) => throw new NotImplementedException();

    public static SlotSource Every(TimeSpan interval) => throw new NotImplementedException();

    /// <summary>The first slot after that moment, or <see langword="null"/> when there is none any more.</summary>
    public abstract DateTimeOffset? Next(DateTimeOffset after);
}
