using Jobs.Beat;
using Jobs.Diagnostics;
using Jobs.Dispatching;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>
/// Changes schedules while the application runs, for all its beats, from any of its processes. A change is durable when its call returns, and takes effect when the beat that
/// leads has read it, usually within milliseconds.
/// </summary>
/// <remarks>
/// Every change has a version, made of the time: of two changes to one schedule the later wins, in whatever order they arrive; clocks of the processes that make changes should agree. A schedule that was set at run time goes before one of the
/// same name from an attribute, from code or from configuration.
/// </remarks>
public sealed class JobSchedules : IAsyncDisposable, IDisposable
{
    readonly Lazy<JobJournal> journal;
    readonly JobEncoder encoder;
    readonly JobsOptions options;
    readonly EditClock versions;

    internal JobSchedules(JobTransport transport, TaskRegistry tasks, IOptions<JobsOptions> options, TimeProvider time)
    {
        journal = new(() => transport.OpenJournal(BeatRecord.Journal));
        (encoder, this.options, versions) = (new(tasks, options.Value, transport), options.Value, new(GuardedTime.Of(time)));
    }

    /// <summary>Adds a cron schedule, or changes it. Its occurrences count from now on; those of its former timing that have not fired are dropped.</summary>
    /// <param name="name">Unique in the application; the ids of its jobs are made of it.</param>
    /// <param name="cron">Five fields, or six with seconds first.</param>
    /// <param name="job">What to enqueue. Queue, priority and expiry that it does not give are the task's, as this process knows it.</param>
    /// <param name="timeZone">The zone that the expression is read in; every beat must know it. Defaults to UTC.</param>
    /// <param name="misfire">What happens to missed occurrences.</param>
    /// <param name="cancellationToken">Gives the call up; the change may have been made.</param>
    /// <returns>The version of the change.</returns>
    /// <exception cref="ArgumentException">The expression, the name, the time zone or the job is not valid.</exception>
    /// <exception cref="JobPublishException">The change was not, or may not have been, made; make it again.</exception>
    public Task<long> SetAsync(string name, string cron, Job job, TimeZoneInfo? timeZone = null, MisfirePolicy misfire = MisfirePolicy.Once, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(job);
        _ = new Schedule(name, Timing.Cron(cron, timeZone ?? TimeZoneInfo.Utc), job, misfire);
        return SetAsync(name, StoredSchedule.Of(job, encoder) with { Cron = cron, TimeZone = KnownEverywhere(timeZone), Misfire = misfire }, cancellationToken);
    }

    /// <summary>Adds a schedule at a fixed interval, or changes it.</summary>
    /// <inheritdoc cref="SetAsync(string, string, Job, TimeZoneInfo?, MisfirePolicy, CancellationToken)"/>
    /// <param name="name">Unique in the application; the ids of its jobs are made of it.</param>
    /// <param name="every">The interval, at least one second.</param>
    /// <param name="job">What to enqueue. Queue, priority and expiry that it does not give are the task's, as this process knows it.</param>
    /// <param name="misfire">What happens to missed occurrences.</param>
    /// <param name="cancellationToken">Gives the call up; the change may have been made.</param>
    public Task<long> SetAsync(string name, TimeSpan every, Job job, MisfirePolicy misfire = MisfirePolicy.Once, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(job);
        _ = new Schedule(name, Timing.Every(every), job, misfire);
        return SetAsync(name, StoredSchedule.Of(job, encoder) with { Every = every, Misfire = misfire }, cancellationToken);
    }

    /// <summary>Undoes what was set or paused at run time: a schedule of code or configuration is again as it says, another one is gone. No-op when there is nothing to undo.</summary>
    /// <inheritdoc cref="PauseAsync"/>
    public Task<long> RemoveAsync(string name, CancellationToken cancellationToken = default) =>
        WriteAsync(name, version => new() { Set = new() { [name] = new(version, null) }, Paused = new() { [name] = new(version, false) } }, cancellationToken);

    /// <summary>Lets the occurrences of a schedule pass without a job, until <see cref="ResumeAsync"/>; they are not made up for (when a beat ran meanwhile; otherwise the misfire policy decides). Works for any schedule, also one of code.</summary>
    /// <param name="name">The schedule.</param>
    /// <param name="cancellationToken">Gives the call up; the change may have been made.</param>
    /// <returns>The version of the change.</returns>
    /// <exception cref="ArgumentException">That is no name of a schedule.</exception>
    /// <exception cref="JobPublishException">The change was not, or may not have been, made; make it again.</exception>
    public Task<long> PauseAsync(string name, CancellationToken cancellationToken = default) =>
        WriteAsync(name, version => new() { Paused = new() { [name] = new(version, true) } }, cancellationToken);

    /// <summary>Ends a pause: the next occurrence fires.</summary>
    /// <inheritdoc cref="PauseAsync"/>
    public Task<long> ResumeAsync(string name, CancellationToken cancellationToken = default) =>
        WriteAsync(name, version => new() { Paused = new() { [name] = new(version, false) } }, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => journal.IsValueCreated ? journal.Value.DisposeAsync() : ValueTask.CompletedTask;

    /// <inheritdoc cref="JobTransport.Dispose"/>
    public void Dispose() => this.DisposeWithin(SynchronousDisposal.Limit);

    /// <summary>Only the id of a time zone travels to the beats.</summary>
    static string? KnownEverywhere(TimeZoneInfo? zone) =>
        zone is null || (TimeZoneInfo.TryFindSystemTimeZoneById(zone.Id, out var system) && zone.HasSameRules(system)) ? zone?.Id
        : throw new ArgumentException($"'{zone.Id}' is a time zone of this program, which beats cannot know: use one of the system, such as TimeZoneInfo.FindSystemTimeZoneById(\"Europe/Berlin\").", nameof(zone));

    Task<long> SetAsync(string name, StoredSchedule schedule, CancellationToken cancellationToken) =>
        WriteAsync(name, version => new() { Set = new() { [name] = new(version, schedule) } }, cancellationToken);

    async Task<long> WriteAsync(string name, Func<long, BeatRecord> record, CancellationToken cancellationToken)
    {
        Schedule.Validate(name, MisfirePolicy.Once);
        var version = versions.Next();
        await journal.Value.AppendAsync(record(version).Write(), options.EnqueueTimeout, cancellationToken).ConfigureAwait(false);
        return version;
    }
}
