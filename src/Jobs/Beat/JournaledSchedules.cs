using System.Text.Json;
using Jobs.Diagnostics;
using Jobs.Dispatching;
using Jobs.Events;
using Jobs.Registry;
using Jobs.Settings;
using Jobs.Transport;
using Microsoft.Extensions.Options;

namespace Jobs.Beat;

/// <summary>
/// Changes schedules by records in the beats' journal, and lists what this process and the journal know.
/// </summary>
sealed class JournaledSchedules : JobSchedules, IAsyncDisposable, IDisposable
{
    const int MostSuggestions = 3;
    const int MostMissed = 1_000;
    static readonly byte[] question = "all"u8.ToArray(); // beats know no other question

    readonly JobTransport transport;
    readonly Lazy<JobJournal> journal;
    readonly Lazy<ScheduleBook> book;
    readonly Lazy<Dictionary<string, StoredSchedule>> ofProcess;
    readonly JobEncoder encoder;
    readonly JobsOptions options;
    readonly TaskRegistry tasks;
    readonly TimeProvider time;
    readonly EditClock versions;
    readonly MaskedArguments masked;

    public JournaledSchedules(
        JobTransport transport,
        TaskRegistry tasks,
        IEnumerable<Schedule> schedules,
        IOptions<JobsOptions> options,
        IOptions<BeatOptions> beatOptions,
        TimeProvider time)
    {
        journal = new(() => transport.OpenJournal(BeatRecord.Journal));
        book = new(() => ScheduleBook.Create(tasks, schedules, beatOptions.Value, out _)); // a beat reports the problems at its start
        (this.transport, this.tasks, this.options, this.time) = (transport, tasks, options.Value, GuardedTime.Of(time));
        (encoder, versions) = (new(tasks, options.Value, transport), new(this.time));
        masked = new(new(options.Value.SensitiveNames));
        ofProcess = new(() => book.Value.Stored(encoder));
    }

    public override async Task<IReadOnlyList<ScheduleInfo>> ListAsync(CancellationToken cancellationToken = default)
    {
        var state = await ReadAsync(cancellationToken).ConfigureAwait(false);
        var now = time.GetUtcNow();
        return [.. NamesKnown(state).Order(StringComparer.Ordinal).Select(name => Info(name, state, now))];
    }

    public override Task<long> SetAsync(
        string name, string cron, Job job, TimeZoneInfo? timeZone = null, MisfirePolicy misfire = MisfirePolicy.Once,
        CancellationToken cancellationToken = default)
    {
        CheckKept(job);
        _ = new Schedule(name, Timing.Cron(cron, timeZone ?? TimeZoneInfo.Utc), job, misfire);
        return SetAsync(name, StoredSchedule.Of(job, encoder) with { Cron = cron, TimeZone = KnownEverywhere(timeZone), Misfire = misfire }, cancellationToken);
    }

    public override Task<long> SetAsync(
        string name, TimeSpan every, Job job, MisfirePolicy misfire = MisfirePolicy.Once, CancellationToken cancellationToken = default)
    {
        CheckKept(job);
        _ = new Schedule(name, Timing.Every(every), job, misfire);
        return SetAsync(name, StoredSchedule.Of(job, encoder) with { Every = every, Misfire = misfire }, cancellationToken);
    }

    public override Task<long> RemoveAsync(string name, CancellationToken cancellationToken = default) =>
        WriteAsync(name, version => new() { Set = new() { [name] = new(version, null) }, Paused = new() { [name] = new(version, false) } }, cancellationToken);

    public override Task<long> PauseAsync(string name, CancellationToken cancellationToken = default) => PauseAsync(name, isPaused: true, cancellationToken);

    public override Task<long> ResumeAsync(string name, CancellationToken cancellationToken = default) => PauseAsync(name, isPaused: false, cancellationToken);

    public override async Task<string> RunNowAsync(string name, CancellationToken cancellationToken = default)
    {
        await CheckKnownAsync(name, cancellationToken).ConfigureAwait(false);
        var version = await WriteAsync(name, version => new() { Runs = [new(name, version)] }, cancellationToken).ConfigureAwait(false);
        return Schedule.IdOf(new(name, version));
    }

    public ValueTask DisposeAsync() => journal.IsValueCreated ? journal.Value.DisposeAsync() : ValueTask.CompletedTask;

    public void Dispose() => this.DisposeWithin(SynchronousDisposal.Limit);

    static void CheckKept(Job job)
    {
        ArgumentNullException.ThrowIfNull(job);
        if (job.Followers is not null || job.Result is not null)
        {
            throw new ArgumentException(
                $"Job '{job.TaskName}' has OnSuccess, OnFailure or Result, which a schedule that is set at run time cannot keep. "
                + "Use AddSchedule in code, or let the task enqueue what follows.", nameof(job));
        }
    }

    async Task<long> PauseAsync(string name, bool isPaused, CancellationToken cancellationToken)
    {
        await CheckKnownAsync(name, cancellationToken).ConfigureAwait(false);
        return await WriteAsync(name, version => new() { Paused = new() { [name] = new(version, isPaused) } }, cancellationToken).ConfigureAwait(false);
    }

    /// <exception cref="ArgumentException">Neither this process nor a beat knows the name.</exception>
    async Task CheckKnownAsync(string name, CancellationToken cancellationToken)
    {
        Schedule.Validate(name, MisfirePolicy.Once);
        if (book.Value.Find(name) is null)
        {
            var names = NamesKnown(await ReadAsync(cancellationToken).ConfigureAwait(false)).ToList();
            if (!names.Contains(name))
            {
                var nearest = string.Join(", ", Spelling.Nearest(name, names).Take(MostSuggestions).Select(known => $"'{known}'"));
                throw new ArgumentException($"There is no schedule '{name}'; "
                    + $"{(nearest.Length == 0 ? "there are none at all" : $"the nearest names are {nearest}")}. ListAsync lists them.", nameof(name));
            }
        }
    }

    /// <summary>
    /// A schedule of another process's code has a mark in the journal, with its timing. The mark of a removed schedule
    /// has none.
    /// </summary>
    IEnumerable<string> NamesKnown(BeatState state) =>
        book.Value.Schedules.Select(schedule => schedule.Name)
            .Union(state.NamesSetAtRunTime(), StringComparer.Ordinal)
            .Union(state.NamesBegun(), StringComparer.Ordinal)
            .Union(state.NamesOfProgram(), StringComparer.Ordinal);

    ScheduleInfo Info(string name, BeatState state, DateTimeOffset now)
    {
        var (stored, last, isPaused) = (Stored(name, state), state.Last(name), state.IsPaused(name));
        var schedule = Read(name, stored, state);
        var key = schedule?.Timing.Key ?? last?.TimingKey ?? "";
        var timing = schedule?.Timing ?? Timing.OfKey(key);
        var isFollowed = !isPaused && timing is not null && last?.TimingKey == key; // from one occurrence to the next
        var zone = timing is null ? stored?.TimeZone : timing.ZoneId;
        return new()
        {
            Name = name,
            TaskName = stored?.Task ?? schedule?.Job.TaskName,
            Timing = key,
            Words = ScheduleWords.Of(key),
            Cron = timing is null ? stored?.Cron : timing.CronText,
            TimeZone = zone is "UTC" or "Etc/UTC" ? null : zone,
            Every = timing is null ? stored?.Every : timing.Interval,
            Queue = stored?.Queue ?? schedule?.Job.Queue,
            Arguments = Part(0)?.GetRawText(),
            NamedArguments = Part(1)?.GetRawText(),
            MaskedArguments = Masked(0),
            MaskedNamedArguments = Masked(1),
            Delay = schedule?.Job.Delay,
            Expires = schedule?.Job.Expires,
            Priority = schedule?.Job.Priority,
            Headers = schedule?.Job.Headers,
            Misfire = schedule?.Misfire,
            IsPaused = isPaused,
            IsSetAtRunTime = state.SetAtRunTime(name)?.Value is not null,
            LastOccurrence = last?.Occurrence,
            LastJobId = last?.Fired is { } fired ? Schedule.IdAt(name, fired) : null,
            NextOccurrence = isPaused ? null : timing?.Next(now),
            Lateness = !isFollowed ? null
                : timing!.Next(last!.Value.Occurrence) is { } due && due < now ? now - due
                : TimeSpan.Zero,
            Missed = isFollowed ? Schedule.Count(timing!, last!.Value.Occurrence, now, MostMissed) : null,
        };

        JsonElement? Part(int index) =>
            stored?.Body is { ValueKind: JsonValueKind.Array } body && body.GetArrayLength() > index ? body[index] : null;

        string? Masked(int index) => Part(index) is { } part ? masked.Of(part, tasks.Find(stored!.Task)) : null;
    }

    /// <summary>
    /// All that is known of a schedule. What was set at run time wins, as it does for beats; then what the leader has,
    /// because the leader fires it; then what this process has.
    /// </summary>
    StoredSchedule? Stored(string name, BeatState state) =>
        state.SetAtRunTime(name)?.Value ?? state.OfProgram(name) ?? ofProcess.Value.GetValueOrDefault(name);

    /// <summary>
    /// <see langword="null"/> when this process does not know it, or cannot read it: another version set it, for
    /// example.
    /// </summary>
    Schedule? Read(string name, StoredSchedule? stored, BeatState state)
    {
        var edit = state.SetAtRunTime(name);
        try
        {
            if (stored is not null)
            {
                return stored.ToSchedule(name, edit?.Version ?? 0, tasks);
            }
        }
        catch (ArgumentException)
        {
            // A time zone that only its own process knows, for example.
        }

        return edit?.Value is null ? book.Value.Find(name) : null;
    }

    Task<BeatState> ReadAsync(CancellationToken cancellationToken) => JournalReading.ReadAsync(
        journal.Value,
        () => transport.OpenJournal(BeatRecord.Journal),
        question,
        answer => Merged(BeatRecord.ReadAll(answer)),
        reader => Merged(Readable(reader.Backlog)),
        options.EnqueueTimeout,
        time,
        cancellationToken);

    static BeatState Merged(IEnumerable<BeatRecord> records)
    {
        var state = new BeatState();
        foreach (var record in records)
        {
            state.Merge(record);
        }

        return state;
    }

    static IEnumerable<BeatRecord> Readable(IEnumerable<JournalRecord> records)
    {
        foreach (var record in records)
        {
            BeatRecord read;
            try
            {
                read = BeatRecord.Read(record.Bytes);
            }
            catch (JsonException)
            {
                continue; // of a newer version, perhaps; the beat that leads says so
            }

            yield return read;
        }
    }

    /// <summary>Only the id of a time zone travels to the beats.</summary>
    static string? KnownEverywhere(TimeZoneInfo? zone) =>
        zone is null || (TimeZoneInfo.TryFindSystemTimeZoneById(zone.Id, out var system) && zone.HasSameRules(system)) ? zone?.Id
        : throw new ArgumentException($"'{zone.Id}' is a time zone of this program, which beats cannot know: use one of the system, such as "
            + "TimeZoneInfo.FindSystemTimeZoneById(\"Europe/Berlin\").", nameof(zone));

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
