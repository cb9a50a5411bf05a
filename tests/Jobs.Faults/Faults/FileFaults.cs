using Jobs.Brokers;
using Jobs.Faults.Load;
using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>What can happen to processes that share a database file.</summary>
static class FileFaults
{
    public static IReadOnlyList<Fault> All { get; } = [new KillProducer(), new DiskFull(), new ClockStep()];
}

/// <summary>A process dies in the middle of its transactions.</summary>
sealed class KillProducer : Fault
{
    public override string Name => "kill-producer";

    public override string Description => "SIGKILL, five times, to a process that enqueues from 64 callers at once";

    public override FaultKind Kind => FaultKind.File;

    public override bool CanBeDoneTo(Site site) => site is SqliteSite;

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var site = (SqliteSite)context.Site;
        for (var i = 0; i < 5 && !cancellationToken.IsCancellationRequested; i++)
        {
            var file = context.Folder!.NewFile("killed-producer");
            var (program, arguments) = ProducerProgram.Start(site.ClientUri, file, context.Folder.Run, site.NextProducer());
            await using var process = GuardedProcess.Start(program, arguments, new Dictionary<string, string>(), file + ".out");
            await Eventually.BecomesAsync(
                () => process.HasEnded || (File.Exists(file + ".bin") && new FileInfo(file + ".bin").Length > 4096), TimeSpan.FromSeconds(30), "a producer to enqueue");
            await Task.Delay(TimeSpan.FromMilliseconds(context.Random.Next(300)), CancellationToken.None);
            await process.KillAsync();
        }
    }
}

/// <summary>Nothing can be written until somebody makes room.</summary>
sealed class DiskFull : Fault
{
    public override string Name => "disk-full";

    public override string Description => "the disk of the file is filled to the last byte for 5 to 15 s";

    public override FaultKind Kind => FaultKind.File;

    public override bool CanBeDoneTo(Site site) => site is SqliteSite { HasOwnDisk: true };

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var site = (SqliteSite)context.Site;
        await site.FillAsync();
        await Task.Delay(TimeSpan.FromSeconds(5 + context.Random.NextDouble() * 10), cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await site.HealAsync(context.Say);
    }
}

/// <summary>The clocks of the workers are wrong, those of the producers are right.</summary>
sealed class ClockStep : Fault
{
    public override string Name => "clock-step";

    public override string Description => "the clocks of all workers jump by two minutes, forth or back, for 5 to 10 s";

    public override FaultKind Kind => FaultKind.File;

    public override bool CanBeDoneTo(Site site) => site is SqliteSite;

    // Two minutes: a retry that is made by a fast clock has an eta that far ahead, and is waited for when the clock is right again.
    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var site = (SqliteSite)context.Site;
        var error = TimeSpan.FromMinutes(context.Random.Next(2) == 0 ? 2 : -2);
        context.Say($"the workers' clocks are wrong by {error.TotalMinutes} min");
        site.SetClocks(error);
        await Task.Delay(TimeSpan.FromSeconds(5 + context.Random.NextDouble() * 5), cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        site.SetClocks(TimeSpan.Zero);
    }
}
