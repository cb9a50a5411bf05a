namespace Jobs.Diagnostics;

/// <summary>The facts about a running job that its span shows.</summary>
readonly record struct RunningJob
{
    public required string System { get; init; }

    public required string Queue { get; init; }

    public required string Task { get; init; }

    public required string Id { get; init; }

    public required string RootId { get; init; }

    public required int Attempt { get; init; }

    public required int BodySize { get; init; }

    public string? TraceParent { get; init; }

    public string? TraceState { get; init; }

    /// <summary>
    /// The job was delayed or ran before, or a schedule fired the job. Such a job begins a trace of its own.
    /// </summary>
    public bool Waited { get; init; }
}
