using Jobs.Faults.Faults;

namespace Jobs.Faults.Load;

/// <summary>What can happen to worker processes.</summary>
static class WorkerFaults
{
    public static IReadOnlyList<Fault> All { get; } = [new KillWorker(), new PauseWorker(), new StopWorker(), new RollingDeploy()];
}

/// <summary>The process dies with jobs in hand.</summary>
sealed class KillWorker : Fault
{
    public override string Name => "kill-worker";

    public override string Description => "SIGKILL to a worker process with jobs running; started again after 2 to 6 s";

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var index = context.Random.Next(context.Workers.Size);
        var hold = TimeSpan.FromSeconds(2 + context.Random.NextDouble() * 4);
        context.Say($"SIGKILL to worker {index}");
        await context.Workers.KillAsync(index);
        await Task.Delay(hold, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await context.Workers.StartAsync(index);
    }
}

/// <summary>The process stands still longer than the broker waits for a heartbeat, then goes on with connections that are no more.</summary>
sealed class PauseWorker : Fault
{
    // The broker gives up a peer that was silent for two intervals of 10 s, and looks every half of one.
    static readonly TimeSpan pastHeartbeat = TimeSpan.FromSeconds(28);

    public override string Name => "pause-worker";

    public override string Description => "SIGSTOP to a worker process for 28 to 36 s, longer than the heartbeat allows, then SIGCONT";

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var index = context.Random.Next(context.Workers.Size);
        var hold = pastHeartbeat + TimeSpan.FromSeconds(context.Random.NextDouble() * 8);
        context.Say($"SIGSTOP to worker {index} for {hold.TotalSeconds:0} s");
        context.Workers.Pause(index);
        try
        {
            await Task.Delay(hold, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        finally
        {
            context.Workers.Resume(index);
        }
    }
}

/// <summary>The process is asked to stop, as an orchestrator of containers does it.</summary>
sealed class StopWorker : Fault
{
    public override string Name => "stop-worker";

    public override string Description => "SIGTERM to a worker process with jobs running; it drains, ends, and is started again";

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        var index = context.Random.Next(context.Workers.Size);
        context.Say($"SIGTERM to worker {index}");
        await RestartAsync(context.Workers, index);
    }

    public static async Task RestartAsync(WorkerFleet workers, int index)
    {
        try
        {
            await workers.StopAsync(index);
        }
        finally
        {
            await workers.StartAsync(index);
        }
    }
}

/// <summary>A new version of the application is rolled out.</summary>
sealed class RollingDeploy : Fault
{
    public override string Name => "rolling-deploy";

    public override string Description => "every worker process after the other: SIGTERM, wait for its end, start";

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        for (var index = 0; index < context.Workers.Size && !cancellationToken.IsCancellationRequested; index++)
        {
            context.Say($"SIGTERM to worker {index}");
            await StopWorker.RestartAsync(context.Workers, index);
        }
    }
}
