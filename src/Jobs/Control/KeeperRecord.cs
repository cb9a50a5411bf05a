using System.Text.Json;
using System.Text.Json.Serialization;

namespace Jobs.Control;

/// <summary>
/// One entry of the keeper's state: the newest version of a key wins, whatever order entries come in. An entry without
/// a value removes what the key had up to that version.
/// </summary>
/// <param name="Key">What the entry is about: <see cref="LetterKey"/> or <see cref="RequestKey"/>.</param>
/// <param name="Version">Of a letter, when its job died; of a request, how far it is.</param>
/// <param name="Letter">A dead letter.</param>
/// <param name="Request">A request.</param>
sealed record KeeperEntry(string Key, long Version, DeadLetterInfo? Letter = null, DeadLetterRequest? Request = null)
{
    public static string LetterKey(string id) => $"l:{id}";

    public static string RequestKey(string id) => $"r:{id}";

    public static KeeperEntry Of(DeadLetterInfo letter) => new(LetterKey(letter.Id), letter.At.UtcTicks, letter);

    public static KeeperEntry Of(DeadLetterRequest request, long version) => new(RequestKey(request.Id), version, Request: request);

    /// <summary>Whether the entry only removes.</summary>
    [JsonIgnore]
    public bool IsRemoval => Letter is null && Request is null;
}

/// <summary>One record of the keeper's journal.</summary>
sealed record KeeperRecord(IReadOnlyList<KeeperEntry> Entries)
{
    /// <summary>The journal of an application. Applications that share a broker have dead letters of their own.</summary>
    public static string JournalOf(string deadLetterQueue) => $"keeper.{deadLetterQueue}";

    const int MostBytes = 64 * 1024;

    public static byte[] Write(params IReadOnlyList<KeeperEntry> entries) =>
        JsonSerializer.SerializeToUtf8Bytes(new KeeperRecord(entries), KeeperJson.Default.KeeperRecord);

    /// <summary>Writes entries into as few records as fit, each of 64 KiB at most, or with one larger entry.</summary>
    public static List<ReadOnlyMemory<byte>> WriteAll(IEnumerable<KeeperEntry> entries)
    {
        List<ReadOnlyMemory<byte>> records = [];
        List<KeeperEntry> together = [];
        var bytes = 0;
        foreach (var entry in entries)
        {
            var length = JsonSerializer.SerializeToUtf8Bytes(entry, KeeperJson.Default.KeeperEntry).Length + 1;
            if (together.Count > 0 && bytes + length > MostBytes - 100) // room for what stands around the entries
            {
                records.Add(Write([.. together]));
                together.Clear();
                bytes = 0;
            }

            together.Add(entry);
            bytes += length;
        }

        if (together.Count > 0)
        {
            records.Add(Write([.. together]));
        }

        return records;
    }

    /// <exception cref="JsonException">These bytes are no record.</exception>
    public static KeeperRecord Read(ReadOnlyMemory<byte> bytes)
    {
        var record = JsonSerializer.Deserialize(bytes.Span, KeeperJson.Default.KeeperRecord);
        return record?.Entries is not null && record.Entries.All(entry => entry?.Key is not null)
            ? record
            : throw new JsonException("The record has no entries, or one without a key.");
    }
}

/// <summary>A question to the keeper. Exactly one property is set.</summary>
sealed record KeeperQuestion
{
    public LettersQuestion? Letters { get; init; }

    public DeadLetterQuery? Groups { get; init; }

    /// <summary>How many letters came from each queue.</summary>
    public bool Queues { get; init; }

    /// <summary>The id of a request.</summary>
    public string? Request { get; init; }

    public byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, KeeperJson.Default.KeeperQuestion);
}

/// <summary>Asks for a page of dead letters.</summary>
sealed record LettersQuestion(DeadLetterQuery Query, string? After, int Limit);

/// <summary>The answer of the keeper. The property of the question is set, unless nothing was found.</summary>
sealed record KeeperAnswer
{
    public DeadLetterPage? Letters { get; init; }

    public IReadOnlyList<DeadLetterGroup>? Groups { get; init; }

    public IReadOnlyDictionary<string, int>? Queues { get; init; }

    public DeadLetterRequest? Request { get; init; }

    public byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, KeeperJson.Default.KeeperAnswer);

    /// <exception cref="JsonException">These bytes are no answer.</exception>
    public static KeeperAnswer Read(ReadOnlyMemory<byte> bytes) => JsonSerializer.Deserialize(bytes.Span, KeeperJson.Default.KeeperAnswer) ?? new();
}

[JsonSourceGenerationOptions(
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(KeeperRecord))]
[JsonSerializable(typeof(KeeperQuestion))]
[JsonSerializable(typeof(KeeperAnswer))]
sealed partial class KeeperJson : JsonSerializerContext;
