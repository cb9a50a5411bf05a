namespace Jobs.Tests.Sqlite;

/// <summary>The wall clock, which a test sets forward and back. Its timers go by real time.</summary>
sealed class WallClock : TimeProvider
{
    long offset;

    public void Jump(TimeSpan by) => Interlocked.Add(ref offset, by.Ticks);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref offset));
}
