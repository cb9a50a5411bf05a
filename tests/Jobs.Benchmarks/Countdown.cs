namespace Jobs.Benchmarks;

/// <summary>Completes when as many signals have come as were announced.</summary>
sealed class Countdown
{
    TaskCompletionSource done = new();
    int left;

    public Task Start(int count)
    {
        left = count;
        done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        return done.Task;
    }

    public void Signal()
    {
        if (Interlocked.Decrement(ref left) == 0)
        {
            done.TrySetResult();
        }
    }
}
