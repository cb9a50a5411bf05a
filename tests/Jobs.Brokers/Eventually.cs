using System.Diagnostics;

namespace Jobs.Brokers;

/// <summary>Waits for something outside this process, which cannot signal us, by asking again until a deadline.</summary>
public static class Eventually
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Returns as soon as <paramref name="condition"/> holds.</summary>
    /// <param name="condition">Asked again every 50 ms; what it throws goes to the caller.</param>
    /// <param name="timeout">How long to keep asking.</param>
    /// <param name="what">The end of "Waited for …", for example "the queue to be empty".</param>
    /// <exception cref="TimeoutException">The condition did not hold in time.</exception>
    public static async Task BecomesAsync(Func<Task<bool>> condition, TimeSpan timeout, string what)
    {
        var watch = Stopwatch.StartNew();
        var asked = 1;
        while (!await condition())
        {
            // The last answer counts even when it took long: a slow condition is asked at least once.
            if (watch.Elapsed > timeout)
                throw new TimeoutException($"Waited {watch.Elapsed.TotalSeconds:F1} s for {what}; asked {asked} times.");
            await Task.Delay(Pause);
            asked++;
        }
    }

    /// <inheritdoc cref="BecomesAsync(Func{Task{bool}}, TimeSpan, string)"/>
    public static Task BecomesAsync(Func<bool> condition, TimeSpan timeout, string what) =>
        BecomesAsync(() => Task.FromResult(condition()), timeout, what);
}
