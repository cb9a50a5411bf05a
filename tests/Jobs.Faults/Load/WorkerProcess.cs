using Jobs.Brokers;
using Jobs.Faults.Logs;

namespace Jobs.Faults.Load;

/// <summary>One life of a worker process. It cannot outlive this program, not even while it is stopped.</summary>
sealed class WorkerProcess : IAsyncDisposable
{
    static readonly TimeSpan startTimeout = TimeSpan.FromMinutes(1);

    readonly GuardedProcess process;
    readonly string file;
    int id;

    WorkerProcess(GuardedProcess process, string file)
    {
        (this.process, this.file) = (process, file);
    }

    public bool IsStopped { get; private set; }

    public string Records => file + ".bin";

    public bool HasEnded => process.HasEnded;

    public static WorkerProcess Start(string uri, string file)
    {
        var (program, arguments) = WorkerProgram.Start(uri, file);
        return new(GuardedProcess.Start(program, arguments, new Dictionary<string, string> { ["DOTNET_gcServer"] = "0" }, file + ".out"), file);
    }

    /// <summary>Returns when it consumes.</summary>
    /// <exception cref="InvalidOperationException">It ended instead, or took too long.</exception>
    public async Task ReadyAsync()
    {
        try
        {
            await Eventually.BecomesAsync(IsReady, startTimeout, "a worker process to be ready");
        }
        catch (TimeoutException e)
        {
            throw new InvalidOperationException(e.Message + Output(), e);
        }

        bool IsReady()
        {
            if (HasEnded)
            {
                throw new InvalidOperationException("A worker process ended at its start." + Output());
            }

            if (!File.Exists(Records))
            {
                return false;
            }

            using var reader = new RecordReader(Records);
            while (reader.TryRead(out var record))
            {
                if (record.Said == Said.Boot)
                {
                    id = record.Key.Number;
                }
                else if (record.Said == Said.Ready)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>SIGKILL.</summary>
    public Task KillAsync() => process.KillAsync();

    /// <summary>SIGSTOP: it holds its connections and says nothing.</summary>
    public void Pause()
    {
        Send(Signal.Stop);
        IsStopped = true;
    }

    /// <summary>SIGCONT.</summary>
    public void Resume()
    {
        IsStopped = false;
        Send(Signal.Continue);
    }

    /// <summary>SIGTERM, and returns when it has ended.</summary>
    /// <exception cref="TimeoutException">It did not end; it was killed then.</exception>
    public async Task StopAsync(TimeSpan timeout)
    {
        Send(Signal.Terminate);
        try
        {
            await Eventually.BecomesAsync(() => HasEnded, timeout, "a worker process to end after SIGTERM");
        }
        catch (TimeoutException)
        {
            await KillAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();

    void Send(Signal signal) => OwnProcess.Send(id, signal, () => HasEnded);

    string Output() => File.Exists(file + ".out") ? "\n" + File.ReadAllText(file + ".out") : "";
}
