namespace Jobs.Benchmarks;

/// <summary>What one side did in one round.</summary>
sealed record ThroughputResult(string Side, double DonePerSecond, double EnqueuesPerSecond, double CpuMicroseconds, double Bytes)
{
    public static readonly IReadOnlyList<(string Title, string Format, Func<ThroughputResult, double> Value)> Columns =
    [
        ("done/s", "n0", r => r.DonePerSecond),
        ("enqueues/s", "n0", r => r.EnqueuesPerSecond),
        ("CPU µs/job", "n1", r => r.CpuMicroseconds),
        ("bytes/job", "n0", r => r.Bytes),
    ];
}
