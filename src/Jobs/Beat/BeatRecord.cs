using System.Text.Json;
using System.Text.Json.Serialization;
using Jobs.Wire;

namespace Jobs.Beat;

/// <summary>
/// One record of the journal. Beats write records, and so do processes that change schedules. Records may be merged in
/// any order and more than once: the result is the same <see cref="BeatState"/>.
/// </summary>
sealed record BeatRecord
{
    public const string Journal = "beat";

    /// <summary>
    /// By schedule, the last occurrence that is dealt with. The latest wins, among those since the clock was last set
    /// back.
    /// </summary>
    public Dictionary<string, OccurrenceMark>? Occurrences { get; init; }

    /// <summary>By name, the schedules that were set or removed at run time. The highest version wins.</summary>
    public Dictionary<string, Edit<StoredSchedule>>? Set { get; init; }

    /// <summary>By name, whether a schedule was paused or resumed. The highest version wins.</summary>
    public Dictionary<string, Edit<bool>>? Paused { get; init; }

    /// <summary>Requests to run the job of a schedule now, and notes that such requests are dealt with.</summary>
    public List<RunRequest>? Runs { get; init; }

    /// <summary>
    /// By name, the schedules of the leader's code and configuration. Only answers have them: the journal does not.
    /// </summary>
    public Dictionary<string, StoredSchedule>? OfProgram { get; init; }

    public byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, BeatJson.Default.BeatRecord);

    /// <summary>Writes many records, as the answer to a question.</summary>
    public static byte[] WriteAll(IReadOnlyList<BeatRecord> records) => JsonSerializer.SerializeToUtf8Bytes(records, BeatJson.Default.IReadOnlyListBeatRecord);

    /// <exception cref="JsonException">These bytes are no such answer.</exception>
    public static IReadOnlyList<BeatRecord> ReadAll(ReadOnlyMemory<byte> bytes) =>
        JsonSerializer.Deserialize(bytes.Span, BeatJson.Default.IReadOnlyListBeatRecord) ?? [];

    /// <exception cref="JsonException">These bytes are no record.</exception>
    public static BeatRecord Read(ReadOnlyMemory<byte> bytes) =>
        bytes.IsEmpty ? new() : JsonSerializer.Deserialize(bytes.Span, BeatJson.Default.BeatRecord) ?? new();
}

/// <summary>Says that all occurrences of a schedule up to this one are dealt with.</summary>
/// <param name="Occurrence">The time of the occurrence, in UTC.</param>
/// <param name="TimingKey">How the schedule was timed then; see <see cref="Timing.Key"/>.</param>
/// <param name="SetBack">
/// How often the clock was set back under the schedule. A mark from before the last time counts no more, even when its
/// occurrence is later.
/// </param>
/// <param name="Fired">
/// The last occurrence that has enqueued its job: others pass without one. <see langword="null"/> when there is none, or
/// when an older version of Jobs made the mark.
/// </param>
readonly record struct OccurrenceMark(DateTimeOffset Occurrence, string TimingKey, int SetBack = 0, DateTimeOffset? Fired = null)
{
    public bool Replaces(OccurrenceMark other) => SetBack != other.SetBack
        ? SetBack > other.SetBack
        : Occurrence > other.Occurrence || (Occurrence == other.Occurrence && string.CompareOrdinal(TimingKey, other.TimingKey) > 0);
}

/// <summary>
/// Somebody asked to run the job of a schedule now. A request is done for good: the note that it is done wins over the
/// request, in whatever order the two arrive.
/// </summary>
/// <param name="Schedule">The name of the schedule.</param>
/// <param name="Version">When it was asked for; with the name, it makes the id of the job.</param>
/// <param name="IsDone">Whether this is the note that the request is dealt with.</param>
readonly record struct RunRequest(string Schedule, long Version, bool IsDone = false);

/// <summary>One value with its version.</summary>
/// <param name="Version">Grows with every edit.</param>
/// <param name="Value">The new value; <see langword="null"/> for a removal.</param>
readonly record struct Edit<T>(long Version, T? Value);

[JsonSourceGenerationOptions(
    MaxDepth = WireTypes.MaxDepth + 16,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(BeatRecord))]
[JsonSerializable(typeof(IReadOnlyList<BeatRecord>))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(int))]
[JsonSerializable(typeof(double))]
sealed partial class BeatJson : JsonSerializerContext;
