using System.Diagnostics;

namespace Jobs.Benchmarks;

/// <summary>Begins something at a fixed rate, whether or not the earlier ones are done.</summary>
static class Pace
{
    public static async Task RunAsync(int rate, int count, Func<Task> one)
    {
        var start = Stopwatch.GetTimestamp();
        var running = new List<Task>(count);
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(Math.Clamp(1000 / rate, 2, 1000)));
        while (running.Count < count && await ticks.WaitForNextTickAsync())
        {
            var due = Math.Min(count, (int)(Stopwatch.GetElapsedTime(start).TotalSeconds * rate));
            while (running.Count < due)
            {
                running.Add(one());
            }
        }

        await Task.WhenAll(running);
    }
}
