using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text;

namespace Jobs.Wire;

/// <summary>
/// The headers of a message, in the same form on every transport: text is a <see cref="string"/>, also inside tables
/// and lists. Headers that Jobs knows have members; all other headers travel unchanged.
/// </summary>
/// <remarks>
/// Celery's headers can contain a table called <c>headers</c>. That table is one of the other headers, and travels
/// unchanged too.
/// </remarks>
[Experimental("JOBS0001")]
public sealed class JobHeaders : IReadOnlyDictionary<string, object?>
{
    // Bytes that are not UTF-8 stay bytes: with replacement characters, two ids could become one, and settle each
    // other's jobs.
    static readonly UTF8Encoding strictUtf8 = new(false, throwOnInvalidBytes: true);

    readonly Dictionary<string, object?> entries;

    /// <summary>No headers yet.</summary>
    /// <param name="capacity">How many there will be. Defaults to 4.</param>
    public JobHeaders(int capacity = 4) => entries = new(capacity, StringComparer.Ordinal);

    JobHeaders(Dictionary<string, object?> entries) => this.entries = entries;

    /// <summary>The wire name of the task.</summary>
    /// <exception cref="JobFormatException">
    /// The header does not have the type of the member. All members below throw this too.
    /// </exception>
    public string? Task
    {
        get => Text(WireHeaders.Task);
        set => Set(WireHeaders.Task, value);
    }

    /// <summary>The id of the job.</summary>
    public string? Id
    {
        get => Text(WireHeaders.Id);
        set => Set(WireHeaders.Id, value);
    }

    /// <summary>The id of the first job of this tree of jobs.</summary>
    public string? RootId
    {
        get => Text(WireHeaders.RootId);
        set => Set(WireHeaders.RootId, value);
    }

    /// <summary>The id of the job that enqueued this one.</summary>
    public string? ParentId
    {
        get => Text(WireHeaders.ParentId);
        set => Set(WireHeaders.ParentId, value);
    }

    /// <summary>How often the job has been run again; 0 when no header says so.</summary>
    public int Retries
    {
        get => entries.GetValueOrDefault(WireHeaders.Retries) switch
        {
            null => 0,
            int i and >= 0 and < int.MaxValue => i, // below the maximum, so that the next retry can count one more
            long l and >= 0 and < int.MaxValue => (int)l,
            short s and >= 0 => s,
            byte b => b,
            var value => throw Wrong(WireHeaders.Retries, value, "a count"),
        };
        set => entries[WireHeaders.Retries] = value;
    }

    /// <summary>When the job may start.</summary>
    public DateTimeOffset? Eta
    {
        get => Time(WireHeaders.Eta);
        set => Set(WireHeaders.Eta, value is { } time ? WireTime.Format(time) : null);
    }

    /// <summary>When the job expires: it does not start at this time or later.</summary>
    public DateTimeOffset? Expires
    {
        get => Time(WireHeaders.Expires);
        set => Set(WireHeaders.Expires, value is { } time ? WireTime.Format(time) : null);
    }

    /// <summary>How the body is compressed.</summary>
    public string? Compression => Text(WireHeaders.Compression);

    /// <summary>The name of the schedule that fired the job.</summary>
    public string? Schedule
    {
        get => Text(WireHeaders.Schedule);
        set => Set(WireHeaders.Schedule, value);
    }

    /// <summary>The W3C trace that the job belongs to.</summary>
    public string? TraceParent
    {
        get => Text(WireHeaders.TraceParent);
        set => Set(WireHeaders.TraceParent, value);
    }

    /// <summary>What tracing systems add to <see cref="TraceParent"/>.</summary>
    public string? TraceState
    {
        get => Text(WireHeaders.TraceState);
        set => Set(WireHeaders.TraceState, value);
    }

    /// <summary>
    /// A sentence about headers that the transport could not read; <see langword="null"/> when it read them all.
    /// </summary>
    internal string? Unreadable
    {
        get => Text(WireHeaders.Unreadable);
        set => Set(WireHeaders.Unreadable, value);
    }

    /// <inheritdoc/>
    public int Count => entries.Count;

    /// <inheritdoc/>
    public IEnumerable<string> Keys => entries.Keys;

    /// <inheritdoc/>
    public IEnumerable<object?> Values => entries.Values;

    /// <summary>A header by its name on the wire.</summary>
    public object? this[string name]
    {
        get => entries[name];
        set => entries[name] = value;
    }

    /// <summary>The headers as a dictionary, for the client of a broker.</summary>
    internal Dictionary<string, object?> Entries => entries;

    /// <summary>Makes headers of entries that came over a wire which cannot tell text from bytes.</summary>
    /// <param name="entries">
    /// The entries as received. The headers own the dictionary from now on, and change it.
    /// </param>
    /// <param name="likelyTask">
    /// The <c>task</c> header of the previous message. When this message has the same task, both share one string.
    /// </param>
    /// <param name="likelyId">The correlation id. When the <c>id</c> header is the same, both share one string.</param>
    internal static JobHeaders Received(Dictionary<string, object?> entries, string? likelyTask = null, string? likelyId = null)
    {
        foreach (var (name, _) in entries)
        {
            ref var value = ref CollectionsMarshal.GetValueRefOrNullRef(entries, name);
            value = Is(likelyId, value) ? likelyId : Is(likelyTask, value) ? likelyTask : Decoded(value);
        }

        return new(entries);

        static bool Is(string? likely, object? value) => likely is not null && value is byte[] bytes && Ascii.Equals(bytes, likely);
    }

    /// <summary>Removes a header, if there is one of that name.</summary>
    public bool Remove(string name) => entries.Remove(name);

    /// <inheritdoc/>
    public bool ContainsKey(string key) => entries.ContainsKey(key);

    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out object? value) => entries.TryGetValue(key, out value);

    /// <summary>Enumerates all headers, without an allocation.</summary>
    public Dictionary<string, object?>.Enumerator GetEnumerator() => entries.GetEnumerator();

    IEnumerator<KeyValuePair<string, object?>> IEnumerable<KeyValuePair<string, object?>>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    static object? Decoded(object? value)
    {
        switch (value)
        {
            case byte[] bytes:
                try
                {
                    return strictUtf8.GetString(bytes);
                }
                catch (DecoderFallbackException)
                {
                    return bytes;
                }

            case Dictionary<string, object?> table:
                return Received(table).entries;
            case List<object?> list:
                for (var i = 0; i < list.Count; i++)
                {
                    list[i] = Decoded(list[i]);
                }

                return list;
            default:
                return value;
        }
    }

    string? Text(string name) => entries.GetValueOrDefault(name) switch
    {
        null => null,
        string text => text,
        byte[] => throw new JobFormatException($"The header '{name}' is not UTF-8."),
        var value => throw Wrong(name, value, "text"),
    };

    DateTimeOffset? Time(string name)
    {
        var text = Text(name);
        return text is null ? null : WireTime.TryParse(text, out var time) ? time : throw Wrong(name, text, "an ISO-8601 time");
    }

    void Set(string name, string? value)
    {
        if (value is null)
        {
            entries.Remove(name);
        }
        else
        {
            entries[name] = value;
        }
    }

    static JobFormatException Wrong(string name, object value, string expected) =>
        new($"The header '{name}' is not {expected} but {(value is string text ? $"'{text}'" : $"'{value}' ({value.GetType().Name})")}.");
}
