using System.Globalization;

namespace Jobs.Faults.Faults;

/// <summary>A fault that is planned, broken, held for a while, and mended whatever happens meanwhile; says a line at the beginning and one at the end.</summary>
/// <param name="durations">Bounds what the fault itself would like.</param>
/// <param name="shortest">Seconds that it lasts at least, if the bound allows.</param>
/// <param name="longest">Seconds that it lasts at most.</param>
abstract class HeldFault(FaultDurations durations, double shortest, double longest) : Fault
{
    public sealed override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var hold = durations.Hold(context.Random, shortest, longest);
        var breakage = await PlanAsync(context);
        if (breakage is null)
        {
            context.Say($"{Name}: nothing there to break");
            return;
        }

        context.Say(hold == TimeSpan.Zero
            ? $"{Name}: {breakage.What}"
            : string.Create(CultureInfo.InvariantCulture, $"{Name}: {breakage.What}, for {hold.TotalSeconds:F1} s"));
        try
        {
            await breakage.BreakAsync();
            await Task.Delay(hold, cancellationToken);
        }
        finally
        {
            await breakage.MendAsync();
            context.Say($"{Name}: {breakage.Mended}");
        }
    }

    /// <summary>Chooses what to break and breaks nothing yet. Null: there is nothing of the kind.</summary>
    protected abstract Task<Breakage?> PlanAsync(FaultContext context);

    protected static T AnyOf<T>(Random random, IReadOnlyList<T> choices) => choices[random.Next(choices.Count)];
}

/// <param name="What">For the log, in the present tense: <c>SIGKILL to jobs1@localhost</c>.</param>
/// <param name="BreakAsync">May stop half-way.</param>
/// <param name="MendAsync">Called once, also after half a break; must be bounded.</param>
/// <param name="Mended">For the log, in the present tense: <c>jobs1@localhost runs again</c>.</param>
sealed record Breakage(string What, Func<Task> BreakAsync, Func<Task> MendAsync, string Mended);

/// <summary>How long faults may last.</summary>
/// <param name="Longest">No fault is held longer.</param>
sealed record FaultDurations(TimeSpan Longest)
{
    /// <summary>What each fault likes: up to a minute and a half.</summary>
    public static FaultDurations Full { get; } = new(TimeSpan.FromSeconds(90));

    /// <summary>For a run of a minute or two.</summary>
    public static FaultDurations Quick { get; } = new(TimeSpan.FromSeconds(5));

    public TimeSpan Hold(Random random, double shortest, double longest)
    {
        var limit = Longest.TotalSeconds;
        var least = Math.Min(shortest, limit);
        return TimeSpan.FromSeconds(least + (random.NextDouble() * (Math.Min(longest, limit) - least)));
    }
}
