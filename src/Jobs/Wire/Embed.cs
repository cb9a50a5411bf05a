using System.Text.Json;

namespace Jobs.Wire;

/// <summary>
/// What shall follow a job, as its message says: the third part of the body. Each list is in the order in which it is
/// published; the chain begins with the next job.
/// </summary>
sealed class Embed
{
    static readonly string[] known = ["callbacks", "errbacks", "chain", "chord"];

    readonly JsonElement root;

    Embed(JsonElement root)
    {
        this.root = root;
        Chain = [.. Items("chain").Reverse().SelectMany(Signature.Read)]; // on the wire the next job is the last
        Callbacks = [.. Items("callbacks").Select(Signature.Read)];
        Errbacks = [.. Items("errbacks").Select(Signature.Read)];
    }

    /// <summary>What an embed without anything looks like.</summary>
    public static ReadOnlySpan<byte> Nothing => """{"callbacks":null,"errbacks":null,"chain":null,"chord":null}"""u8;

    /// <summary>The jobs after this one, in order.</summary>
    public IReadOnlyList<Signature> Chain { get; }

    /// <summary>What is published when the job has succeeded: a job or a chain each.</summary>
    public IReadOnlyList<IReadOnlyList<Signature>> Callbacks { get; }

    /// <summary>What is published when the job is dead or has expired: a job or a chain each.</summary>
    public IReadOnlyList<IReadOnlyList<Signature>> Errbacks { get; }

    /// <summary>Whether a job that follows may need what the task returns.</summary>
    public bool TakesResult => Chain.Count > 0 || Callbacks.Count > 0;

    /// <summary>Reads the embed of a body; <see langword="null"/> when nothing shall follow the job.</summary>
    /// <exception cref="JobFormatException">The embed asks for something that Jobs cannot honour.</exception>
    public static Embed? Read(ReadOnlyMemory<byte> embed)
    {
        if (embed.Span.SequenceEqual(Nothing) || embed.Length <= 4) // {} or null
        {
            return null;
        }

        var root = JsonElement.Parse(embed.Span, new() { MaxDepth = WireTypes.MaxDepth });
        if (root.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        if (root.TryGetProperty("chord", out var chord) && !IsEmpty(chord))
        {
            throw new JobFormatException("It is part of a chord, which this version does not support: the body of the chord would never run.");
        }

        var read = new Embed(root);
        return read is { Chain.Count: 0, Callbacks.Count: 0, Errbacks.Count: 0 } ? null : read;
    }

    /// <summary>
    /// The embed of a message that will not run; <see langword="null"/> when nothing shall follow, or nobody can read
    /// it.
    /// </summary>
    public static Embed? OfMessage(JobMessage message)
    {
        try
        {
            return Read(JobBody.Read(message.PlainBody).Embed);
        }
        catch (JobFormatException)
        {
            return null;
        }
    }

    /// <summary>Keys that Jobs does not know. They travel on to the next job.</summary>
    public IEnumerable<JsonProperty> Unknown() => root.EnumerateObject().Where(property => !known.Contains(property.Name));

    // Celery also takes a single signature for a list of one.
    IEnumerable<JsonElement> Items(string name) => !root.TryGetProperty(name, out var value) || IsEmpty(value) ? []
        : value.ValueKind == JsonValueKind.Array ? value.EnumerateArray()
        : [value];

    static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => value.GetPropertyCount() == 0,
        _ => false,
    };
}
