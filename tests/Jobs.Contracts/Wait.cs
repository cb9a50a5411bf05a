using System.Runtime.CompilerServices;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// Waits with a deadline, so that a test fails with a sentence, and does not hang, when something never happens.
/// </summary>
public static class Wait
{
    /// <summary>Long enough for a busy machine. Nothing that works takes so long.</summary>
    public static TimeSpan Deadline { get; } = TimeSpan.FromSeconds(30);

    /// <summary>Polls until the condition holds.</summary>
    public static async Task Until(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Deadline, $"It did not come true in {Deadline.TotalSeconds} s: {what}");
            await PauseAsync();
        }
    }

    /// <summary>Polls until the condition holds.</summary>
    public static async Task Until(Func<Task<bool>> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Deadline, $"It did not come true in {Deadline.TotalSeconds} s: {what}");
            await PauseAsync();
        }
    }

    /// <summary>The task, or a failure after the deadline.</summary>
    public static Task Soon(this Task task) => task.WaitAsync(Deadline, TimeProvider.System, TestContext.Current.CancellationToken);

    /// <summary>The task, or a failure after the deadline.</summary>
    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Deadline, TimeProvider.System, TestContext.Current.CancellationToken);

    /// <summary>The task, or a failure after the deadline.</summary>
    public static Task<T> Soon<T>(this ValueTask<T> task) => task.AsTask().Soon();

    /// <summary>One round of polling.</summary>
    public static Task PauseAsync() => Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System, TestContext.Current.CancellationToken);
}
