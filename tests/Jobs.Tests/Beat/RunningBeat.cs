using System.Collections.Concurrent;
using Jobs.Beat;
using Jobs.Registry;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Jobs.Tests.Beat;

/// <summary>The real <see cref="BeatService"/> on a clock that the test moves.</summary>
sealed class RunningBeat : IAsyncDisposable
{
    readonly BeatService service;
    readonly int schedules;

    RunningBeat(DateTimeOffset start, RecordingDispatcher dispatcher, BeatOptions options, Schedule[] schedules)
    {
        this.schedules = schedules.Length;
        Clock = new(start);
        Dispatcher = dispatcher;
        service = new(new TaskRegistry([]), schedules, dispatcher, Options.Create(options), Clock, new(), Log);
    }

    public SleepCountingClock Clock { get; }

    public RecordingDispatcher Dispatcher { get; }

    public RecordingLogger Log { get; } = new();

    public IReadOnlyList<string> Fired => [.. Dispatcher.Enqueued.Select(job => job.Id!)];

    public static Task<RunningBeat> StartAsync(DateTimeOffset start, params Schedule[] schedules) =>
        StartAsync(start, new RecordingDispatcher(), new BeatOptions(), schedules);

    public static async Task<RunningBeat> StartAsync(DateTimeOffset start, RecordingDispatcher dispatcher, BeatOptions options, params Schedule[] schedules)
    {
        var beat = new RunningBeat(start, dispatcher, options, schedules);
        await beat.service.StartAsync(TestContext.Current.CancellationToken);
        await beat.SettleAsync();
        return beat;
    }

    /// <summary>Moves the clock in one jump, as when the machine was suspended, and returns when all schedules sleep again.</summary>
    public async Task JumpAsync(TimeSpan by)
    {
        Clock.Advance(by);
        await SettleAsync();
    }

    /// <summary>Moves the clock on in steps.</summary>
    public async Task RunAsync(TimeSpan duration, TimeSpan step)
    {
        for (var end = Clock.GetUtcNow() + duration; Clock.GetUtcNow() < end;)
        {
            await JumpAsync(step);
        }
    }

    /// <summary>Waits until each schedule sleeps, or is held in an enqueue.</summary>
    public async Task SettleAsync()
    {
        var deadline = TimeProvider.System.GetTimestamp();
        while (Clock.Sleeping + Dispatcher.Held != schedules)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(deadline) < TimeSpan.FromSeconds(20), $"{Clock.Sleeping} of {schedules} schedules sleep");
            await Task.Yield();
        }
    }

    public Task StopAsync() => service.StopAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        service.Dispose();
    }
}

sealed class SleepCountingClock(DateTimeOffset start) : FakeTimeProvider(start)
{
    int sleeping;

    public int Sleeping => Volatile.Read(ref sleeping);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Interlocked.Increment(ref sleeping);
        return new Timer(this, base.CreateTimer(callback, state, dueTime, period));
    }

    // Task.Delay disposes its timer when it ends, whether it ran out or was cancelled.
    sealed class Timer(SleepCountingClock clock, ITimer inner) : ITimer
    {
        int disposed;

        public bool Change(TimeSpan dueTime, TimeSpan period) => inner.Change(dueTime, period);

        public void Dispose()
        {
            if (Interlocked.Exchange(ref disposed, 1) == 0)
            {
                inner.Dispose();
                Interlocked.Decrement(ref clock.sleeping);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}

/// <summary>Remembers what it was given; <see cref="Fail"/> and <see cref="Hold"/> make it misbehave.</summary>
sealed class RecordingDispatcher : IJobDispatcher
{
    int held;

    public ConcurrentQueue<Job> Attempts { get; } = new();

    public ConcurrentQueue<Job> Enqueued { get; } = new();

    /// <summary>The exception to fail with, if any.</summary>
    public Func<Job, Exception?> Fail { get; set; } = _ => null;

    /// <summary>Which jobs never return until cancelled.</summary>
    public Func<Job, bool> Hold { get; set; } = _ => false;

    public int Held => Volatile.Read(ref held);

    public async Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default)
    {
        Attempts.Enqueue(job);
        if (Hold(job))
        {
            Interlocked.Increment(ref held);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        }

        if (Fail(job) is { } failure)
        {
            throw failure;
        }

        Enqueued.Enqueue(job);
        return new(job.Id!);
    }

    public Task<JobHandle<T>> EnqueueAsync<T>(Job<T> job, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Job> jobs, CancellationToken cancellationToken = default) => throw new NotSupportedException();
}

sealed class RecordingLogger : ILogger<BeatService>
{
    public ConcurrentQueue<(int Id, LogLevel Level, string Text)> Lines { get; } = new();

    public int Count(int eventId) => Lines.Count(line => line.Id == eventId);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel > LogLevel.Debug;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Lines.Enqueue((eventId.Id, logLevel, formatter(state, exception)));
}
