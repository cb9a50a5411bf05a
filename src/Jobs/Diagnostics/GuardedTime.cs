namespace Jobs.Diagnostics;

/// <summary>
/// Guards jobs against a clock that throws: the host's clock may be user code, and must neither lose nor hold up a job.
/// </summary>
/// <remarks>
/// All of Jobs reads the time through this class. Where the clock throws, the system's time counts, and elapsed time
/// stands still.
/// </remarks>
sealed class GuardedTime : TimeProvider
{
    readonly TimeProvider inner;
    readonly long frequency;
    long last;

    GuardedTime(TimeProvider inner)
    {
        this.inner = inner;
        frequency = Try(static inner => inner.TimestampFrequency, out var ticks) && ticks > 0 ? ticks : System.TimestampFrequency;
    }

    public static TimeProvider Of(TimeProvider time) => time == System || time is GuardedTime ? time : new GuardedTime(time);

    public override long TimestampFrequency => frequency;

    public override TimeZoneInfo LocalTimeZone => Try(static inner => inner.LocalTimeZone, out var zone) ? zone! : System.LocalTimeZone;

    public override DateTimeOffset GetUtcNow() => Try(static inner => inner.GetUtcNow(), out var now) ? now : System.GetUtcNow();

    public override long GetTimestamp()
    {
        if (Try(static inner => inner.GetTimestamp(), out var timestamp))
        {
            Volatile.Write(ref last, timestamp);
            return timestamp;
        }

        return Volatile.Read(ref last);
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        try
        {
            return new Timer(inner.CreateTimer(callback, state, dueTime, period));
        }
        catch (Exception)
        {
            return System.CreateTimer(callback, state, dueTime, period);
        }
    }

    bool Try<T>(Func<TimeProvider, T> read, out T? value)
    {
        try
        {
            value = read(inner);
            return true;
        }
        catch (Exception)
        {
            value = default;
            return false;
        }
    }

    /// <summary>A timer of the user's clock. The timer may throw when Jobs sets or disposes it.</summary>
    sealed class Timer(ITimer inner) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            try
            {
                return inner.Change(dueTime, period);
            }
            catch (Exception)
            {
                return false;
            }
        }

        public void Dispose()
        {
            try
            {
                inner.Dispose();
            }
            catch (Exception)
            {
                // There is nobody to tell.
            }
        }

        public async ValueTask DisposeAsync()
        {
            try
            {
                await inner.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception)
            {
                // As above.
            }
        }
    }
}
