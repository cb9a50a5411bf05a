using System.Text.Json;
using System.Text.Json.Serialization;
using Jobs.Wire;

namespace Jobs.Beat;

/// <summary>What beats, and those who change schedules, write into the journal. Merging records in any order, and more than once, gives the same <see cref="BeatState"/>.</summary>
sealed record BeatRecord
{
    public const string Journal = "beat";

    /// <summary>By schedule: up to where its occurrences are dealt with. The latest wins, of those since the clock was last set back.</summary>
    public Dictionary<string, OccurrenceMark>? Occurrences { get; init; }

    /// <summary>By name: schedules that were set at run time, or removed. The highest version wins.</summary>
    public Dictionary<string, Edit<StoredSchedule>>? Set { get; init; }

    /// <summary>By name: paused or resumed. The highest version wins.</summary>
    public Dictionary<string, Edit<bool>>? Paused { get; init; }

    public byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, BeatJson.Default.BeatRecord);

    /// <exception cref="JsonException">These bytes are no record.</exception>
    public static BeatRecord Read(ReadOnlyMemory<byte> bytes) =>
        bytes.IsEmpty ? new() : JsonSerializer.Deserialize(bytes.Span, BeatJson.Default.BeatRecord) ?? new();
}

/// <summary>All occurrences of a schedule up to this one are dealt with.</summary>
/// <param name="Occurrence">In UTC.</param>
/// <param name="TimingKey">How the schedule was timed then; see <see cref="Timing.Key"/>.</param>
/// <param name="SetBack">How often the clock was set back under the schedule: a mark from before is no mark any more, though it is of a later time.</param>
readonly record struct OccurrenceMark(DateTimeOffset Occurrence, string TimingKey, int SetBack = 0)
{
    public bool Replaces(OccurrenceMark other) => SetBack != other.SetBack
        ? SetBack > other.SetBack
        : Occurrence > other.Occurrence || (Occurrence == other.Occurrence && string.CompareOrdinal(TimingKey, other.TimingKey) > 0);
}

/// <summary>One value of one version.</summary>
/// <param name="Version">Grows with every edit.</param>
/// <param name="Value">What it was set to; <see langword="null"/> for removed.</param>
readonly record struct Edit<T>(long Version, T? Value);

[JsonSourceGenerationOptions(
    MaxDepth = WireTypes.MaxDepth + 16,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(BeatRecord))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(int))]
[JsonSerializable(typeof(double))]
sealed partial class BeatJson : JsonSerializerContext;
