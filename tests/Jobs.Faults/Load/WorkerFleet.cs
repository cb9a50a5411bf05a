using Jobs.Faults.Logs;

namespace Jobs.Faults.Load;

/// <summary>The worker processes of a run.</summary>
sealed class WorkerFleet : IAsyncDisposable
{
    // Jobs of the load take 3 s at most and a drain 20 s; what is slower than this hangs.
    static readonly TimeSpan stopTimeout = TimeSpan.FromSeconds(60);

    readonly WorkerProcess?[] processes;
    readonly RunFolder folder;
    readonly string uri;

    /// <summary>One without workers, for whoever breaks a cluster without load.</summary>
    public WorkerFleet()
    {
        (folder, uri) = (null!, "");
        processes = [];
    }

    WorkerFleet(int size, RunFolder folder, string uri)
    {
        (this.folder, this.uri) = (folder, uri);
        processes = new WorkerProcess?[size];
    }

    public int Size => processes.Length;

    /// <summary>Returns when all of them consume.</summary>
    public static async Task<WorkerFleet> StartAsync(int size, RunFolder folder, string uri)
    {
        var fleet = new WorkerFleet(size, folder, uri);
        try
        {
            await fleet.HealAsync();
            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    /// <summary>The worker that runs and writes these records; -1 for none.</summary>
    public int IndexOf(string? records) => Array.FindIndex(processes, process => process is { HasEnded: false } && process.Records == records);

    public bool IsRunning(int index) => processes[index] is { HasEnded: false };

    /// <summary>Starts worker <paramref name="index"/> and returns when it consumes. A start that fails is repeated, as whatever runs services does.</summary>
    /// <exception cref="InvalidOperationException">It does not start.</exception>
    public async Task StartAsync(int index)
    {
        const int Attempts = 3;
        for (var attempt = 1; ; attempt++)
        {
            if (processes[index] is { } before)
            {
                await before.DisposeAsync();
            }

            var process = WorkerProcess.Start(uri, folder.NewFile($"worker{index}"));
            processes[index] = process;
            try
            {
                await process.ReadyAsync();
                return;
            }
            catch (InvalidOperationException e) when (attempt < Attempts)
            {
                folder.Say($"worker {index} did not start, once more: {e.Message}");
            }
        }
    }

    /// <summary>SIGKILL.</summary>
    public Task KillAsync(int index) => processes[index]?.KillAsync() ?? Task.CompletedTask;

    /// <summary>SIGSTOP.</summary>
    public void Pause(int index) => processes[index]?.Pause();

    /// <summary>SIGCONT.</summary>
    public void Resume(int index) => processes[index]?.Resume();

    /// <summary>SIGTERM, and returns when it has ended.</summary>
    /// <exception cref="TimeoutException">It did not end by itself.</exception>
    public Task StopAsync(int index) => processes[index]?.StopAsync(stopTimeout) ?? Task.CompletedTask;

    public Task StopAllAsync() => Task.WhenAll(Enumerable.Range(0, Size).Where(IsRunning).Select(StopAsync));

    /// <summary>Returns when every one of them runs and consumes, whatever was done to it.</summary>
    public async Task HealAsync()
    {
        for (var index = 0; index < Size; index++)
        {
            if (processes[index] is { HasEnded: false, IsStopped: true } stopped)
            {
                stopped.Resume();
            }
            else if (!IsRunning(index))
            {
                await StartAsync(index);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in processes)
        {
            if (process is not null)
            {
                await process.DisposeAsync();
            }
        }
    }
}
