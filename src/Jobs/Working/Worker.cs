using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Working;

/// <summary>Takes deliveries and runs them, <see cref="WorkerOptions.Concurrency"/> at a time.</summary>
/// <remarks>
/// 1. One reader takes each delivery as it arrives. <see cref="Intake"/> makes an attempt of the delivery.
/// 2. If the intake already decides the outcome, no task has to run: the worker settles the attempt without a slot.
/// 3. All other attempts go to <see cref="Lanes"/>, and from there to a slot: at once if a slot is free and the queue is
/// below its limit, otherwise later.
/// 4. A slot runs attempts one after the other, until none waits. The worker settles each attempt beside its slot: a
/// write waits for the disk or the broker, and the prefetch bounds how many such attempts there are.
/// </remarks>
sealed class Worker(
    Intake intake, Executor executor, Settlement settlement, WorkerProgress progress, JobObserver observer, TimeProvider time, ILogger<Worker> logger)
{
    // A job that cannot be settled now cannot be settled a millisecond later either. Without a pause, the job would run
    // again and again.
    static readonly TimeSpan pause = TimeSpan.FromSeconds(1);

    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);
    readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    CancellationToken interrupt;
    int inHand = 1; // jobs in hand, and one for the reader

    /// <summary>Runs until the subscription is stopped and every job in hand has been settled. Called once.</summary>
    public Task RunAsync(JobSubscription subscription, WorkerOptions options, CancellationToken interrupted)
    {
        interrupt = interrupted;
        progress.Start(subscription, options, RunSlotAsync);
        interrupt.UnsafeRegister(_ => Interrupt(), null);
        using (ExecutionContext.SuppressFlow()) // jobs must not inherit the trace and culture of the host's start
        {
            _ = Task.Run(() => ReadAsync(subscription), CancellationToken.None);
        }

        return ended.Task;
    }

    /// <summary>
    /// Gives back the jobs that wait for a slot: running jobs may take a while, and other workers may be free. Call
    /// this after the subscription is stopped.
    /// </summary>
    public Task GiveBackAsync() =>
        Task.WhenAll([.. progress.Lanes.Close().Reverse().Select(GiveBackAsync)]); // last first: each goes to the front

    async Task GiveBackAsync(Attempt attempt)
    {
        await ReleaseAsync(attempt.Delivery, attempt.Id).ConfigureAwait(false);
        Left();
    }

    async Task ReadAsync(JobSubscription subscription)
    {
        try
        {
            while (await subscription.NextAsync().ConfigureAwait(false) is { } delivery)
            {
                Take(delivery);
            }
        }
        catch (Exception e)
        {
            progress.ReaderEnded(); // only a transport can throw here; the health check reports it
            Log.ReaderEnded(logger, e);
        }
        finally
        {
            Left();
        }
    }

    void Take(Delivery delivery)
    {
        Interlocked.Increment(ref inHand);
        try
        {
            var attempt = intake.Admit(delivery);
            if (attempt.Outcome is not null)
            {
                _ = SettleBesideAsync(attempt);
            }
            else if (progress.Lanes.TryAdd(attempt, out var slot))
            {
                slot?.Start(attempt, progress.Now);
            }
            else
            {
                _ = GiveBackAsync(attempt); // the worker has stopped meanwhile
            }
        }
        catch (Exception e)
        {
            // No exception may end the reader: a worker without one looks alive and runs nothing.
            _ = GiveUpAsync(delivery, null, e);
        }
    }

    async Task GiveUpAsync(Delivery delivery, string? id, Exception failure)
    {
        await GiveBackAsync(delivery, id, failure).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Left();
    }

    async Task SettleBesideAsync(Attempt attempt)
    {
        await SettleAsync(attempt).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Left();

        async Task SettleAsync(Attempt attempt)
        {
            try
            {
                await settlement.ApplyAsync(attempt).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                await GiveBackAsync(attempt.Delivery, attempt.Id, e).ConfigureAwait(false);
            }
        }
    }

    async Task RunSlotAsync(WorkerSlot slot, Attempt first)
    {
        for (var attempt = first; attempt is not null; attempt = progress.Lanes.Next(slot, attempt))
        {
            slot.Take(attempt, progress.Now);
            if (interrupt.IsCancellationRequested)
            {
                attempt.Cancel(CancelCause.Stop); // Interrupt told the attempts in slots; this attempt had none
            }

            await RunOneAsync(attempt).ConfigureAwait(false);
            slot.Done();
        }
    }

    async ValueTask RunOneAsync(Attempt attempt)
    {
        try
        {
            if (!attempt.Delivery.TryStart())
            {
                Left();
                return;
            }

            await executor.RunAsync(attempt).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await GiveUpAsync(attempt.Delivery, attempt.Id, e).ConfigureAwait(false);
            return;
        }

        _ = SettleBesideAsync(attempt); // a plain ack has ended when this returns
    }

    // Not the job's fault: the framework or the broker failed. Never acknowledge here, which would lose the job. Give
    // the job back; when the channel is gone, the broker delivers the job again by itself.
    async Task GiveBackAsync(Delivery delivery, string? id, Exception failure)
    {
        try
        {
            observer.SettlementFailed(delivery, id, failure);
            await Task.Delay(pause, time, interrupt).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        finally
        {
            await ReleaseAsync(delivery, id).ConfigureAwait(false); // no-op once the delivery is settled
        }
    }

    async ValueTask ReleaseAsync(Delivery delivery, string? id)
    {
        try
        {
            await delivery.ReleaseAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            observer.SettlementFailed(delivery, id, e);
        }
    }

    void Interrupt()
    {
        foreach (var slot in progress.Slots)
        {
            slot.Current?.Cancel(CancelCause.Stop);
        }
    }

    void Left()
    {
        if (Interlocked.Decrement(ref inHand) == 0)
        {
            ended.TrySetResult();
        }
    }
}
