namespace Jobs.BrokerTests.Unit;

/// <summary>A clock that a test sets.</summary>
sealed class ManualTime : TimeProvider
{
    public long Timestamp { get; set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Timestamp;
}
