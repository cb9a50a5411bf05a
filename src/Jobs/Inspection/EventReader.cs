using System.Text.Json;

namespace Jobs.Inspection;

/// <summary>
/// Reads entries of the history: an event as a JSON object, or a list of events. Anybody may write to the exchange of
/// events, so nothing in an entry makes the reader throw: a field of the wrong type counts as missing, and an entry is
/// read up to the place where it is no JSON any more.
/// </summary>
static class EventReader
{
    static readonly (byte[] Name, EventText Field)[] texts =
    [
        ("type"u8.ToArray(), EventText.Type), ("uuid"u8.ToArray(), EventText.Uuid), ("hostname"u8.ToArray(), EventText.Hostname),
        ("name"u8.ToArray(), EventText.Name), ("queue"u8.ToArray(), EventText.Queue), ("args"u8.ToArray(), EventText.Args),
        ("kwargs"u8.ToArray(), EventText.Kwargs), ("result"u8.ToArray(), EventText.Result), ("exception"u8.ToArray(), EventText.Exception),
        ("traceback"u8.ToArray(), EventText.Traceback), ("root_id"u8.ToArray(), EventText.RootId), ("parent_id"u8.ToArray(), EventText.ParentId),
        ("eta"u8.ToArray(), EventText.Eta), ("expires"u8.ToArray(), EventText.Expires), ("sw_ident"u8.ToArray(), EventText.Software),
        ("sw_ver"u8.ToArray(), EventText.SoftwareVersion), ("sw_sys"u8.ToArray(), EventText.System), ("version"u8.ToArray(), EventText.Version),
        ("trace_id"u8.ToArray(), EventText.TraceId),
    ];

    static readonly (byte[] Name, EventNumber Field)[] numbers =
    [
        ("timestamp"u8.ToArray(), EventNumber.Timestamp), ("clock"u8.ToArray(), EventNumber.Clock), ("retries"u8.ToArray(), EventNumber.Retries),
        ("runtime"u8.ToArray(), EventNumber.Runtime), ("pid"u8.ToArray(), EventNumber.Pid), ("freq"u8.ToArray(), EventNumber.Freq),
        ("active"u8.ToArray(), EventNumber.Active), ("processed"u8.ToArray(), EventNumber.Processed), ("slots"u8.ToArray(), EventNumber.Slots),
        ("since"u8.ToArray(), EventNumber.Since), ("utcoffset"u8.ToArray(), EventNumber.UtcOffset),
    ];

    static readonly (byte[] Name, EventKind Kind)[] kinds =
    [
        ("task-sent"u8.ToArray(), EventKind.Sent), ("task-received"u8.ToArray(), EventKind.Received), ("task-started"u8.ToArray(), EventKind.Started),
        ("task-succeeded"u8.ToArray(), EventKind.Succeeded), ("task-failed"u8.ToArray(), EventKind.Failed), ("task-retried"u8.ToArray(), EventKind.Retried),
        ("task-rejected"u8.ToArray(), EventKind.Rejected), ("task-revoked"u8.ToArray(), EventKind.Revoked), ("task-cancelled"u8.ToArray(), EventKind.Cancelled),
        ("worker-online"u8.ToArray(), EventKind.WorkerOnline), ("worker-heartbeat"u8.ToArray(), EventKind.WorkerHeartbeat),
        ("worker-offline"u8.ToArray(), EventKind.WorkerOffline), ("jobs-counts"u8.ToArray(), EventKind.Counts),
    ];

    /// <summary>Reads every event of an entry.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="one">Is filled with each event in turn.</param>
    /// <param name="each">Is called after each event.</param>
    /// <returns>Whether the whole entry could be read.</returns>
    public static bool Read(ReadOnlySpan<byte> entry, JobEvent one, Action<JobEvent> each)
    {
        try
        {
            var json = new Utf8JsonReader(entry);
            if (!json.Read())
            {
                return false;
            }

            if (json.TokenType == JsonTokenType.StartArray)
            {
                while (json.Read() && json.TokenType != JsonTokenType.EndArray)
                {
                    Next(entry, ref json, one, each);
                }
            }
            else
            {
                Next(entry, ref json, one, each);
            }

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>The time of the first event of an entry, in ticks; 0 when there is none.</summary>
    public static long TimeOf(ReadOnlySpan<byte> entry, JobEvent one)
    {
        var at = 0L;
        Read(entry, one, each => at = at == 0 ? each.At : at);
        return at;
    }

    static void Next(ReadOnlySpan<byte> entry, ref Utf8JsonReader json, JobEvent one, Action<JobEvent> each)
    {
        if (json.TokenType != JsonTokenType.StartObject)
        {
            json.Skip();
            return;
        }

        one.Clear();
        while (json.Read() && json.TokenType != JsonTokenType.EndObject)
        {
            Field(entry, ref json, one);
        }

        one.Kind = KindOf(one[EventText.Type]);
        one.At = TicksOf(one[EventNumber.Timestamp]);
        each(one);
    }

    static void Field(ReadOnlySpan<byte> entry, ref Utf8JsonReader json, JobEvent one)
    {
        if (Find(ref json, texts) is { } text)
        {
            json.Read();
            Text(entry, ref json, one, text);
        }
        else if (Find(ref json, numbers) is { } number)
        {
            json.Read();
            one.Set(number, json.TokenType == JsonTokenType.Number && json.TryGetDouble(out var value) ? value : double.NaN);
            json.Skip();
        }
        else if (json.ValueTextEquals("expired"u8))
        {
            json.Read();
            one.Expired = json.TokenType == JsonTokenType.True;
            json.Skip();
        }
        else if (json.ValueTextEquals("requeue"u8))
        {
            json.Read();
            one.Requeue = json.TokenType == JsonTokenType.True;
            json.Skip();
        }
        else if (json.ValueTextEquals("loadavg"u8))
        {
            List(ref json, one, static (ref item, one) =>
            {
                if (item.TokenType == JsonTokenType.Number && item.TryGetDouble(out var load))
                {
                    one.AddLoad(load);
                }
            });
        }
        else if (json.ValueTextEquals("queues"u8))
        {
            List(ref json, one, static (ref item, one) =>
            {
                if (item.TokenType == JsonTokenType.String && TryUnescape(ref item, new byte[item.ValueSpan.Length], out var queue))
                {
                    one.AddQueue(System.Text.Encoding.UTF8.GetString(queue));
                }
            });
        }
        else if (json.ValueTextEquals("running"u8))
        {
            EventLists.Runs(ref json, one);
        }
        else if (json.ValueTextEquals("counts"u8))
        {
            EventLists.Counts(ref json, one);
        }
        else
        {
            json.Read();
            json.Skip();
        }
    }

    static T? Find<T>(ref Utf8JsonReader json, (byte[] Name, T Field)[] fields)
        where T : struct
    {
        foreach (var (name, field) in fields)
        {
            if (json.ValueSpan.SequenceEqual(name))
            {
                return field;
            }
        }

        return null;
    }

    static void Text(ReadOnlySpan<byte> entry, ref Utf8JsonReader json, JobEvent one, EventText field)
    {
        if (json.TokenType == JsonTokenType.String)
        {
            var room = one.RoomFor(json.ValueSpan.Length);
            one.Took(field, TryUnescape(ref json, room, out var text) ? text.Length : 0);
        }
        else if (field is EventText.Args or EventText.Kwargs or EventText.Result && json.TokenType != JsonTokenType.Null)
        {
            // Celery sends texts there. What is no text is shown as the JSON that it is.
            var start = (int)json.TokenStartIndex;
            json.Skip();
            var raw = entry[start..(int)json.BytesConsumed];
            raw.CopyTo(one.RoomFor(raw.Length));
            one.Took(field, raw.Length);
        }

        json.Skip();
    }

    // A text with half a surrogate pair, for example, is JSON and no text.
    static bool TryUnescape(ref Utf8JsonReader json, Span<byte> room, out ReadOnlySpan<byte> text)
    {
        try
        {
            text = room[..json.CopyString(room)];
            return true;
        }
        catch (InvalidOperationException)
        {
            text = default;
            return false;
        }
    }

    delegate void Item(ref Utf8JsonReader item, JobEvent one);

    static void List(ref Utf8JsonReader json, JobEvent one, Item take)
    {
        json.Read();
        if (json.TokenType != JsonTokenType.StartArray)
        {
            json.Skip();
            return;
        }

        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            take(ref json, one);
            json.Skip();
        }
    }

    static EventKind KindOf(ReadOnlySpan<byte> type)
    {
        foreach (var (name, kind) in kinds)
        {
            if (type.SequenceEqual(name))
            {
                return kind;
            }
        }

        return type.StartsWith("task-"u8) ? EventKind.Custom : EventKind.Other;
    }

    /// <summary>The ticks of a time in seconds since 1970; 0 when it is none.</summary>
    /// <remarks>Celery's utcoffset is no part of it: the time is absolute already.</remarks>
    public static long TicksOf(double? seconds)
    {
        const double Latest = 253_402_300_799;
        return seconds is > 0 and < Latest ? DateTimeOffset.UnixEpoch.Ticks + (long)(seconds.Value * TimeSpan.TicksPerSecond) : 0;
    }
}
