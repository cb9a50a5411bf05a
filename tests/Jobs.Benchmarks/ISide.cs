namespace Jobs.Benchmarks;

/// <summary>One of those that are compared: Jobs, or a loop written by hand.</summary>
interface ISide : IAsyncDisposable
{
    string Name { get; }

    /// <summary>Milliseconds from enqueue to start, of jobs that were enqueued one by one.</summary>
    List<double> StartLatencies { get; }

    /// <summary>Completes when that many jobs have run.</summary>
    Task Expect(int count);

    /// <summary>Enqueues jobs pipelined; completes when all are confirmed.</summary>
    Task EnqueueManyAsync(int count);

    /// <summary>Enqueues one job; completes when it is confirmed.</summary>
    Task EnqueueAsync();
}
