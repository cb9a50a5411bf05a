namespace Jobs.Faults.Sites;

/// <summary>One RabbitMQ node of the site. Every verb may be said at any time: to kill a dead node or to start a running one does nothing.</summary>
abstract class SiteNode
{
    /// <summary>For example <c>jobs1@localhost</c>.</summary>
    public abstract string Name { get; }

    /// <summary>To this node and no other, for draining.</summary>
    public abstract string DirectUri { get; }

    /// <summary>Whether its process lives, be it paused or in a minority.</summary>
    public virtual Task<bool> IsRunningAsync() => throw NotOurs("state");

    /// <summary>Ends it as a power cut would: nothing is flushed, nothing is said to clients.</summary>
    public virtual Task KillAsync() => throw NotOurs("a kill");

    /// <summary>Starts it with the data it had, and returns when it serves clients.</summary>
    /// <exception cref="InvalidOperationException">It does not serve clients in 90 s; its process is left running.</exception>
    public virtual Task StartAsync() => throw NotOurs("a start");

    /// <summary>Ends it in good order.</summary>
    public virtual Task StopAsync() => throw NotOurs("a stop");

    /// <summary>Maintenance mode: no clients, no leaders of queues.</summary>
    public virtual Task DrainAsync() => throw NotOurs("a drain");

    /// <summary>Ends maintenance mode.</summary>
    public virtual Task ReviveAsync() => throw NotOurs("a revival");

    /// <summary>SIGSTOP: it keeps its connections and says nothing.</summary>
    public virtual Task PauseAsync() => throw NotOurs("a pause");

    public virtual Task ResumeAsync() => throw NotOurs("a resumption");

    /// <summary>The whole cluster stops reading from clients that publish.</summary>
    public virtual Task RaiseAlarmAsync(Alarm alarm) => throw NotOurs("an alarm");

    public virtual Task ClearAlarmAsync(Alarm alarm) => throw NotOurs("an alarm");

    public sealed override string ToString() => Name;

    NotSupportedException NotOurs(string what) => new(
        $"{Name}: {what} needs a cluster that the fault suite has started itself. Run with --broker processes or --broker docker.");
}

enum Alarm
{
    Memory,
    Disk,
}
