using System.Diagnostics;
using Jobs.Brokers;
using Jobs.Faults.Faults;

namespace Jobs.Faults.Load;

/// <summary>The keeper dies while it sends dead letters back.</summary>
/// <param name="load">The load of the run, or <see langword="null"/> to list the faults only.</param>
sealed class KillKeeper(LoadInFlight? load) : Fault
{
    public override string Name => "kill-keeper";

    public override string Description =>
        "SIGKILL to the worker process that is the keeper, in the middle of a sweep if there is one; started again after 2 to 6 s";

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var moment = TimeSpan.FromMilliseconds(context.Random.Next(1_000));
        var hold = TimeSpan.FromSeconds(2 + context.Random.NextDouble() * 4);
        var chance = context.Random.Next(context.Workers.Size);
        var isSweeping = await SweepAsync(load!, context.Site.HasBroker);
        await Task.Delay(isSweeping ? moment : TimeSpan.Zero, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var keeper = context.Workers.IndexOf(load!.Progress.Keeper);
        var index = keeper < 0 ? chance : keeper;
        var why = keeper < 0 ? "chosen by chance because nobody says that it is the keeper" : "which is the keeper";
        context.Say($"SIGKILL to worker {index}, {why}{(isSweeping ? ", in the middle of a sweep" : "")}");
        await context.Workers.KillAsync(index);
        await Task.Delay(hold, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await context.Workers.StartAsync(index);
    }

    /// <param name="load">The load.</param>
    /// <param name="says">Whether the log says when a sweep begins; else a call that has not returned stands for one.</param>
    static async Task<bool> SweepAsync(LoadInFlight load, bool says)
    {
        var asked = Stopwatch.GetTimestamp();
        load.Letters.Nudge();
        try
        {
            await Eventually.BecomesAsync(() => says ? load.Progress.LastSweep > asked : load.Letters.IsCalling, TimeSpan.FromSeconds(5), "the keeper to begin a sweep");
            return true;
        }
        catch (TimeoutException)
        {
            return false; // it is busy with another request, or there is nothing to send back
        }
    }
}
