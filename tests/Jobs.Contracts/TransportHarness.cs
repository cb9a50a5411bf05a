using Jobs.Transport;

namespace Jobs.Contracts;

/// <summary>Gives the contract suite the transport under test. There is one instance per test.</summary>
public abstract class TransportHarness : IAsyncDisposable
{
    /// <summary>The transport under test.</summary>
    public abstract JobTransport Transport { get; }

    /// <summary>The clock that the delays of the transport run on.</summary>
    public virtual TimeProvider Clock => TimeProvider.System;

    /// <summary>A delay that the suite can afford to wait for.</summary>
    public virtual TimeSpan ShortDelay => TimeSpan.FromSeconds(1);

    /// <summary>
    /// How much too early a message may look, because of the broker's clock and ours together.
    /// </summary>
    public virtual TimeSpan Tolerance => TimeSpan.FromMilliseconds(50);

    /// <summary>A queue that no other test uses.</summary>
    public virtual string NewQueue() => $"contract.{Guid.NewGuid():N}";

    /// <summary>Creates the <see cref="Transport"/>.</summary>
    public virtual ValueTask StartAsync() => ValueTask.CompletedTask;

    /// <summary>Lets time pass on <see cref="Clock"/>.</summary>
    public virtual ValueTask PassAsync(TimeSpan time) => new(Task.Delay(time, TimeProvider.System, CancellationToken.None));

    /// <summary>Waits so long that a message which has not been delivered by then never will be.</summary>
    public virtual ValueTask QuietAsync() => PassAsync(TimeSpan.FromMilliseconds(300));

    /// <summary>
    /// Lets the messages that are due reach the callers that wait. On a real clock there is nothing to do.
    /// </summary>
    public virtual ValueTask SettleDownAsync() => ValueTask.CompletedTask;

    /// <summary>
    /// Ends a subscription as the death of its process would: nothing is settled, nothing is flushed.
    /// </summary>
    public abstract ValueTask CrashAsync(JobSubscription subscription);

    /// <summary>How large the history of <see cref="Transport"/> may become.</summary>
    public const long HistoryBytes = 1 << 20;

    /// <summary>Whether the transport must say that its history is fed by the events that are sent.</summary>
    public virtual bool HistoryIsFedByBroadcast => false;

    /// <summary>Puts entries into the history, as its transport is fed. They are there when this returns.</summary>
    public virtual async ValueTask AddToHistoryAsync(params ReadOnlyMemory<byte>[] entries)
    {
        foreach (var entry in entries)
        {
            await Transport.History.AppendAsync([entry], CancellationToken.None);
        }
    }

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        await Transport.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
