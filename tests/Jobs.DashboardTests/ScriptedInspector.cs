namespace Jobs.DashboardTests;

/// <summary>Answers what a test says, at once or never: for what a true inspector answers only when something is broken.</summary>
public sealed class ScriptedInspector : JobInspector
{
    public Func<string, Task<JobInfo>> Job { get; set; } = id => Task.FromResult(new JobInfo { Id = id });

    public Func<JobQuery, Task<JobPage>> Jobs { get; set; } = _ => Task.FromResult(new JobPage());

    public Func<Task<FailurePage>> Failures { get; set; } = () => Task.FromResult(new FailurePage());

    public Func<Task<QueuePage>> Queues { get; set; } = () => Task.FromResult(new QueuePage());

    public Func<Task<IReadOnlyList<WorkerInfo>>> Workers { get; set; } = () => Task.FromResult<IReadOnlyList<WorkerInfo>>([]);

    public Func<DeadLetterQuery, IReadOnlyList<DeadLetterGroup>> Groups { get; set; } = _ => [];

    public override InspectionCapabilities Capabilities => default;

    public override Task<JobInfo> GetJobAsync(string id, CancellationToken cancellationToken = default) => Job(id);

    public override Task<JobPage> SearchAsync(JobQuery query, CancellationToken cancellationToken = default) => Jobs(query);

    public override Task<FailurePage> FailuresAsync(JobQuery query, CancellationToken cancellationToken = default) => Failures();

    public override Task<ThroughputInfo> ThroughputAsync(CancellationToken cancellationToken = default) => Task.FromResult(new ThroughputInfo());

    public override Task<IReadOnlyList<WorkerInfo>> WorkersAsync(CancellationToken cancellationToken = default) => Workers();

    public override Task<IReadOnlyList<RunningJobInfo>> RunningAsync(CancellationToken cancellationToken = default) =>
        Task.FromResult<IReadOnlyList<RunningJobInfo>>([]);

    public override Task<QueuePage> QueuesAsync(CancellationToken cancellationToken = default) => Queues();

    public override Task<DelayedPage> DelayedAsync(int limit = 50, string? after = null, CancellationToken cancellationToken = default) =>
        Task.FromResult(new DelayedPage());

    public override Task<IReadOnlyList<ScheduleInfo>> SchedulesAsync(CancellationToken cancellationToken = default) =>
        Task.FromResult<IReadOnlyList<ScheduleInfo>>([]);

    public override Task<TransportInfo> TransportAsync(CancellationToken cancellationToken = default) =>
        Task.FromResult(new TransportInfo { Kind = "Script", IsUp = true });

    public override IDisposable Watch() => throw new NotSupportedException();

    public override Task<DeadLetterPage> DeadLettersAsync(
        DeadLetterQuery query, int limit = 50, string? after = null, CancellationToken cancellationToken = default) =>
        Task.FromResult(new DeadLetterPage { Letters = [] });

    public override Task<IReadOnlyList<DeadLetterGroup>> DeadLetterGroupsAsync(DeadLetterQuery query, CancellationToken cancellationToken = default) =>
        Task.FromResult(Groups(query));
}
