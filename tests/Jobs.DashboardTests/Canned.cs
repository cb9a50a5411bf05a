using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace Jobs.DashboardTests;

/// <summary>Answers that say little, and the number of times that each question was asked.</summary>
public sealed class Canned : JobInspector
{
    public const string RequestId = "r1";

    public Canned() => Control = new CannedControl(this);

    public ConcurrentQueue<string> Asked { get; } = new();

    /// <summary>No question is answered before this completes.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public JobControl Control { get; }

    public override InspectionCapabilities Capabilities => default;

    public override Task<JobInfo> GetJobAsync(string id, CancellationToken cancellationToken = default) =>
        AnswerAsync(new JobInfo { Id = id, State = JobState.Dead });

    public override Task<JobPage> SearchAsync(JobQuery query, CancellationToken cancellationToken = default) => AnswerAsync(new JobPage());

    public override Task<FailurePage> FailuresAsync(JobQuery query, CancellationToken cancellationToken = default) => AnswerAsync(new FailurePage());

    public override Task<ThroughputInfo> ThroughputAsync(CancellationToken cancellationToken = default) => AnswerAsync(new ThroughputInfo());

    public override Task<IReadOnlyList<WorkerInfo>> WorkersAsync(CancellationToken cancellationToken = default) =>
        AnswerAsync<IReadOnlyList<WorkerInfo>>([]);

    public override Task<IReadOnlyList<RunningJobInfo>> RunningAsync(CancellationToken cancellationToken = default) =>
        AnswerAsync<IReadOnlyList<RunningJobInfo>>([]);

    public override Task<QueuePage> QueuesAsync(CancellationToken cancellationToken = default) => AnswerAsync(new QueuePage { Queues = [] });

    public override Task<DelayedPage> DelayedAsync(int limit = 50, string? after = null, CancellationToken cancellationToken = default) =>
        AnswerAsync(new DelayedPage { Jobs = [] });

    public override Task<IReadOnlyList<ScheduleInfo>> SchedulesAsync(CancellationToken cancellationToken = default) =>
        AnswerAsync<IReadOnlyList<ScheduleInfo>>([]);

    public override Task<TransportInfo> TransportAsync(CancellationToken cancellationToken = default) =>
        AnswerAsync(new TransportInfo { Kind = "canned", IsUp = true });

    public override IDisposable Watch() => throw new InvalidOperationException("A page does not ask for every event.");

    public override Task<DeadLetterPage> DeadLettersAsync(
        DeadLetterQuery query, int limit = 50, string? after = null, CancellationToken cancellationToken = default) =>
        AnswerAsync(new DeadLetterPage { Letters = [] });

    public override Task<IReadOnlyList<DeadLetterGroup>> DeadLetterGroupsAsync(DeadLetterQuery query, CancellationToken cancellationToken = default) =>
        AnswerAsync<IReadOnlyList<DeadLetterGroup>>([]);

    async Task<T> AnswerAsync<T>(T answer, [CallerMemberName] string question = "")
    {
        Asked.Enqueue(question);
        await Gate;
        return answer;
    }

    sealed class CannedControl(Canned canned) : JobControl
    {
        static readonly DeadLetterRequest request = new() { Id = RequestId, Query = new() };

        public override Task<DeadLetterRequest?> GetRequestAsync(string id, CancellationToken cancellationToken = default) =>
            canned.AnswerAsync(id == RequestId ? request : null);

        public override Task<DeadLetterRequest> RetryDeadLettersAsync(
            DeadLetterQuery query, DeadLetterRetry? options = null, CancellationToken cancellationToken = default) => Task.FromResult(request);

        public override Task<DeadLetterRequest> DeleteDeadLettersAsync(
            DeadLetterQuery query, bool wait = true, CancellationToken cancellationToken = default) => Task.FromResult(request);

        public override Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default) => throw new InvalidCastException("A bug.");
    }
}
