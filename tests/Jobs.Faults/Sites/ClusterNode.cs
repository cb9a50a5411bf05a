using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>A node that we have started and may break; remembers what was done to it, so that healing costs nothing where nothing was done.</summary>
abstract class ClusterNode : SiteNode
{
    /// <summary>What <see cref="ClearAlarmAsync"/> goes back to; the node's configuration says the same.</summary>
    public const string MemoryLimit = "1GB";

    /// <inheritdoc cref="MemoryLimit"/>
    public const string DiskLimit = "50MB";

    // Only start and kill take turns. Whoever resumes a paused node must not wait for somebody who waits for that node.
    readonly SemaphoreSlim turn = new(1, 1);
    volatile bool paused;
    volatile bool drained;
    volatile bool memoryAlarm;
    volatile bool diskAlarm;

    public bool HasAlarm => memoryAlarm || diskAlarm;

    public bool IsDrained => drained;

    public override async Task KillAsync()
    {
        await turn.WaitAsync();
        try
        {
            if (await IsRunningAsync())
                await KillProcessAsync();
            paused = drained = memoryAlarm = diskAlarm = false;
        }
        finally
        {
            turn.Release();
        }
    }

    public override async Task StartAsync()
    {
        await turn.WaitAsync();
        try
        {
            if (!await IsRunningAsync())
                await StartProcessAsync();
        }
        finally
        {
            turn.Release();
        }
    }

    public override async Task StopAsync()
    {
        try
        {
            if (await IsRunningAsync())
                await ControlAsync("rabbitmqctl", "stop");
            await Eventually.BecomesAsync(async () => !await IsRunningAsync(), TimeSpan.FromSeconds(60), $"node {Name} to stop");
        }
        catch (Exception exception) when (exception is InvalidOperationException or TimeoutException)
        {
            // It was killed meanwhile or does not listen: what follows is right in both cases.
        }

        await KillAsync();
    }

    public override async Task DrainAsync()
    {
        drained = true;
        await ControlAsync("rabbitmq-upgrade", "drain");
    }

    public override async Task ReviveAsync()
    {
        await ControlAsync("rabbitmq-upgrade", "revive");
        drained = false;
    }

    public override async Task PauseAsync()
    {
        paused = true;
        if (await IsRunningAsync())
            await FreezeAsync();
    }

    public override async Task ResumeAsync()
    {
        if (paused && await IsRunningAsync())
            await ThawAsync();
        paused = false;
    }

    public override async Task RaiseAlarmAsync(Alarm alarm)
    {
        if (alarm == Alarm.Memory)
        {
            memoryAlarm = true;
            await ControlAsync("rabbitmqctl", "set_vm_memory_high_watermark", "0");
        }
        else
        {
            diskAlarm = true;
            await ControlAsync("rabbitmqctl", "set_disk_free_limit", "100000GB");
        }
    }

    public override async Task ClearAlarmAsync(Alarm alarm)
    {
        if (alarm == Alarm.Memory && memoryAlarm)
        {
            await ControlAsync("rabbitmqctl", "set_vm_memory_high_watermark", "absolute", MemoryLimit);
            memoryAlarm = false;
        }
        else if (alarm == Alarm.Disk && diskAlarm)
        {
            await ControlAsync("rabbitmqctl", "set_disk_free_limit", DiskLimit);
            diskAlarm = false;
        }
    }

    /// <summary>
    /// Its Erlang machine runs and its broker does not, and nothing starts it: paused in a minority, or failed when it wanted to come back from that (RabbitMQ 3.10:
    /// <c>incompatible_feature_flags</c>, when the others are starting at that moment). The others may wait for what it knows.
    /// </summary>
    public async Task<bool> HasStoppedAsync()
    {
        try
        {
            return (await ControlAsync("rabbitmqctl", "eval", "rabbit_boot_state:get().")).Trim() == "stopped";
        }
        catch (Exception exception) when (exception is InvalidOperationException or TimeoutException)
        {
            return false;
        }
    }

    /// <summary>Runs one of RabbitMQ's command line tools against this node.</summary>
    /// <exception cref="InvalidOperationException">It failed, or took too long.</exception>
    public abstract Task<string> ControlAsync(string tool, params string[] arguments);

    protected abstract Task KillProcessAsync();

    /// <summary>Returns when it serves clients.</summary>
    protected abstract Task StartProcessAsync();

    protected abstract Task FreezeAsync();

    protected abstract Task ThawAsync();
}
