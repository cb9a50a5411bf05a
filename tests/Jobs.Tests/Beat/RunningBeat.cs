using System.Collections.Concurrent;
using Jobs.Beat;
using Jobs.Registry;
using Jobs.Transport;
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

    RunningBeat(SleepCountingClock clock, JobTransport? transport, RecordingDispatcher dispatcher, BeatOptions options, Schedule[] schedules)
    {
        this.schedules = schedules.Length;
        Clock = clock;
        Dispatcher = dispatcher;
        service = new(new TaskRegistry([]), schedules, transport ?? new InMemoryTransport(Clock), dispatcher, Options.Create(new JobsOptions()), Options.Create(options), Clock, new(), Log);
    }

    public SleepCountingClock Clock { get; }

    public RecordingDispatcher Dispatcher { get; }

    public RecordingLogger Log { get; } = new();

    public IReadOnlyList<string> Fired => [.. Dispatcher.Enqueued.Select(job => job.Id!)];

    public static Task<RunningBeat> StartAsync(DateTimeOffset start, params Schedule[] schedules) =>
        StartAsync(start, new RecordingDispatcher(), new BeatOptions(), schedules);

    public static Task<RunningBeat> StartAsync(DateTimeOffset start, RecordingDispatcher dispatcher, BeatOptions options, params Schedule[] schedules) =>
        StartAsync(new RunningBeat(new(start), null, dispatcher, options, schedules));

    /// <summary>One of several on a transport.</summary>
    public static Task<RunningBeat> StartAsync(SleepCountingClock clock, JobTransport transport, params Schedule[] schedules) =>
        StartAsync(new RunningBeat(clock, transport, new(), new(), schedules));

    /// <summary>Another one, while one leads.</summary>
    public static RunningBeat StandBy(SleepCountingClock clock, JobTransport transport, params Schedule[] schedules)
    {
        var beat = new RunningBeat(clock, transport, new(), new(), schedules);
        _ = beat.service.StartAsync(TestContext.Current.CancellationToken);
        return beat;
    }

    static async Task<RunningBeat> StartAsync(RunningBeat beat)
    {
        await beat.AfterAsync(() => beat.service.StartAsync(TestContext.Current.CancellationToken), beat.schedules);
        return beat;
    }

    /// <summary>Does something that makes loops begin, and returns when that many have begun and all sleep.</summary>
    public async Task AfterAsync(Func<Task> change, int begun = 1, int? loops = null)
    {
        var created = Clock.Created;
        await change();
        await UntilAsync(() => Clock.Created >= created + begun, () => $"{Clock.Created - created} of {begun} loops have begun");
        await SettleAsync(loops);
    }

    /// <summary>Moves the clock in one jump, as when the machine was suspended, and returns when all schedules sleep again.</summary>
    public async Task JumpAsync(TimeSpan by, int? loops = null)
    {
        Clock.Advance(by);
        await SettleAsync(loops);
    }

    /// <summary>Moves the clock on in steps.</summary>
    public async Task RunAsync(TimeSpan duration, TimeSpan step, int? loops = null)
    {
        for (var end = Clock.GetUtcNow() + duration; Clock.GetUtcNow() < end;)
        {
            await JumpAsync(step, loops);
        }
    }

    /// <summary>Waits until each schedule sleeps, or is held in an enqueue.</summary>
    /// <param name="loops">How many schedules there are now; by default those it began with.</param>
    public async Task SettleAsync(int? loops = null)
    {
        var expected = loops ?? schedules;
        await UntilAsync(() => Clock.Sleeping + Dispatcher.Held == expected, () => $"{Clock.Sleeping} of {expected} schedules sleep");
    }

    public Task UntilAsync(Func<bool> condition, string what) => UntilAsync(condition, () => $"Waited for {what}.");

    static async Task UntilAsync(Func<bool> condition, Func<string> what)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begun) < TimeSpan.FromSeconds(20), what());
            await Task.Yield();
        }
    }

    public Task StopAsync() => service.StopAsync(CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        var stopping = StopAsync();
        while (!stopping.IsCompleted)
        {
            await Task.Yield();
            if (Dispatcher.Held > 0)
            {
                Clock.Advance(TimeSpan.FromSeconds(1)); // what hangs gets five seconds
            }
        }

        await stopping;
        service.Dispose();
    }
}

/// <summary>Knows how many sleep. Who is due does not, though the clock may still be waking it: it does so on one thread at a time, which need not be the one that moved it.</summary>
sealed class SleepCountingClock(DateTimeOffset start) : FakeTimeProvider(start)
{
    readonly Lock gate = new();
    readonly HashSet<Timer> timers = [];
    TimeSpan adjusted;
    int created;

    public int Sleeping
    {
        get
        {
            var now = GetUtcNow();
            lock (gate)
            {
                return timers.Count(timer => timer.Due > now - adjusted);
            }
        }
    }

    /// <summary>How many sleeps have begun.</summary>
    public int Created => Volatile.Read(ref created);

    /// <summary>As when somebody sets the clock: timers do not notice.</summary>
    public new void AdjustTime(DateTimeOffset value)
    {
        lock (gate)
        {
            adjusted += value - GetUtcNow();
        }

        base.AdjustTime(value);
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, base.CreateTimer(callback, state, dueTime, period), GetUtcNow() - adjusted + dueTime);
        lock (gate)
        {
            timers.Add(timer);
        }

        Interlocked.Increment(ref created);
        return timer;
    }

    // Task.Delay disposes its timer when it ends, whether it ran out or was cancelled.
    sealed class Timer(SleepCountingClock clock, ITimer inner, DateTimeOffset due) : ITimer
    {
        public DateTimeOffset Due => due;

        public bool Change(TimeSpan dueTime, TimeSpan period) => inner.Change(dueTime, period);

        public void Dispose()
        {
            inner.Dispose();
            lock (clock.gate)
            {
                clock.timers.Remove(this);
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

    /// <summary>What an enqueue waits for before it returns.</summary>
    public Func<Job, Task>? Gate { get; set; }

    public int Held => Volatile.Read(ref held);

    public async Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default)
    {
        Attempts.Enqueue(job);
        if (Hold(job))
        {
            Interlocked.Increment(ref held);
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }
            finally
            {
                Interlocked.Decrement(ref held);
            }
        }

        if (Gate is not null)
        {
            Interlocked.Increment(ref held);
            await Gate(job);
            Interlocked.Decrement(ref held);
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

    public Task<IReadOnlyList<JobHandle<T>>> EnqueueManyAsync<T>(IEnumerable<Job<T>> jobs, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public JobHandle<T> GetHandle<T>(string id) => throw new NotSupportedException();

    public Task<JobHandle> EnqueueAsync(Chain chain, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task<JobHandle<T>> EnqueueAsync<T>(Chain<T> chain, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Chain> chains, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task<IReadOnlyList<JobHandle<T>>> EnqueueManyAsync<T>(IEnumerable<Chain<T>> chains, CancellationToken cancellationToken = default) => throw new NotSupportedException();
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
