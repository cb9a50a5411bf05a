using System.Text;
using Jobs.Wire;

namespace Jobs.Tests.Wire;

/// <summary>Breaks well-formed messages in all the ways a sender, a broker or an enemy might; the same seed gives the same messages.</summary>
sealed class MessageFuzzer(int seed)
{
    static readonly string[] names =
    [
        "task", "id", "root_id", "parent_id", "retries", "eta", "expires", "compression", "traceparent", "tracestate", "timelimit",
        "x-death", "x-delivery-count", "x-jobs-deliveries", "x-jobs-dead-reason", "", "ü", "TASK",
    ];

    static readonly byte[][] tokens =
    [
        .. new[]
        {
            "[", "]", "{", "}", ",", ":", "\"", "null", "true", "1e999", "-0", "99999999999999999999999", "0.1", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u0000\"",
            "\\", "\"x\":1,", "{\"__type__\":\"uuid\",\"__value__\":{\"hex\":\"zz\"}}", "{\"__type__\":\"decimal\",\"__value__\":\"1e9999\"}",
            "{\"__type__\":\"base64\",\"__value__\":\"%%\"}", "{\"__type__\":\"datetime\",\"__value__\":\"0000-00-00\"}", "{\"\\ud800\":1}", "\"9999999.00:00:00\"", "[[[[", "//", "\u00a0",
        }.Select(Encoding.UTF8.GetBytes),
        [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0], [0xef, 0xbb, 0xbf],
    ];

    readonly Random random = new(seed);
    readonly (string Name, JobMessage Message)[] corpus = [.. Captures.Versions.SelectMany(v => Captures.Read(v, asBytes: false).Concat(Captures.Read(v, asBytes: true))), .. Bodies()];

    public int Next(int max) => random.Next(max);

    public JobMessage Next()
    {
        var message = corpus[random.Next(corpus.Length)].Message.Copy(stamp: 7);
        for (var i = random.Next(3) + 1; i > 0; i--)
        {
            message = random.Next(10) switch
            {
                0 or 1 or 2 => BreakHeader(message),
                3 => BreakProperty(message),
                4 => message with { Body = message.Body[..random.Next(message.Body.Length + 1)] },
                5 => message with { Body = Nested() },
                6 => message with { Body = message.Body[random.Next(message.Body.Length + 1)..] },
                _ => message with { Body = BreakBody(message.Body.Span) },
            };
        }

        return message;
    }

    byte[] BreakBody(ReadOnlySpan<byte> body)
    {
        var bytes = new List<byte>(body.ToArray());
        for (var i = random.Next(4) + 1; i > 0; i--)
        {
            var at = random.Next(bytes.Count + 1);
            switch (random.Next(4))
            {
                case 0 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1 when at < bytes.Count:
                    bytes.RemoveRange(at, Math.Min(random.Next(8), bytes.Count - at));
                    break;
                case 2 when bytes.Count > 0: // a piece of it, somewhere else
                    var from = random.Next(bytes.Count);
                    bytes.InsertRange(at, bytes.GetRange(from, Math.Min(random.Next(30), bytes.Count - from)));
                    break;
                default:
                    bytes.InsertRange(at, tokens[random.Next(tokens.Length)]);
                    break;
            }
        }

        return [.. bytes];
    }

    JobMessage BreakHeader(JobMessage message)
    {
        var name = random.Next(3) == 0 ? names[random.Next(names.Length)] : message.Headers.Keys.ElementAtOrDefault(random.Next(message.Headers.Count + 1)) ?? "task";
        if (random.Next(5) == 0)
        {
            message.Headers.Remove(name);
        }
        else
        {
            message.Headers[name] = name is "eta" or "expires" && random.Next(2) == 0 ? Times[random.Next(Times.Length)] : Value(0);
        }

        return message;
    }

    object? Value(int depth) => random.Next(depth > 3 ? 14 : 17) switch
    {
        0 => null,
        1 => random.Next(),
        2 => -random.Next(),
        3 => random.NextInt64(),
        4 => int.MaxValue,
        5 => (short)random.Next(short.MaxValue),
        6 => (byte)random.Next(256),
        7 => random.NextDouble(),
        8 => double.NaN,
        9 => random.Next(2) == 0,
        10 => Bytes(random.Next(40)),
        11 => Encoding.UTF8.GetString(Bytes(random.Next(40))),
        12 => Times[random.Next(Times.Length)],
        13 => Encoding.UTF8.GetBytes(Times[random.Next(Times.Length)]),
        14 => new List<object?> { Value(depth + 1), Value(depth + 1) },
        15 => new Dictionary<string, object?> { ["k"] = Value(depth + 1) },
        _ => new string('x', random.Next(5_000)),
    };

    static string[] Times { get; } =
    [
        "2026-11-22T21:42:56.504833+00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-12:00", "9999-12-31T23:59:59+00:00", "2026-11-22", "21:42", "1", "nan", "", " ",
        "2026-11-22T21:42:56.5048331234567+00:00", "2026-13-45T99:99:99", "Sun, 22 Nov 2026 21:42:56 GMT", "2099-01-01T00:00:00Z", "2099-01-01T00:00:00.000000", "1970-01-01T00:00:00Z",
    ];

    JobMessage BreakProperty(JobMessage message) => random.Next(7) switch
    {
        0 => message with { ContentType = "application/x-python-serialize" },
        1 => message with { ContentType = random.Next(2) == 0 ? null : "" },
        2 => message with { ContentEncoding = random.Next(2) == 0 ? "binary" : null },
        3 => message with { CorrelationId = null },
        4 => message with { Priority = (byte)random.Next(256) },
        5 => message with { Timestamp = random.NextInt64() },
        _ => message with { ContentEncoding = "UTF-8", ContentType = "Application/JSON; charset=utf-8" },
    };

    byte[] Nested()
    {
        var depth = random.Next(200);
        var (open, close) = random.Next(2) == 0 ? ("[", "]") : ("{\"a\":", "}");
        return Encoding.UTF8.GetBytes($"[[{string.Concat(Enumerable.Repeat(open, depth))}1{string.Concat(Enumerable.Repeat(close, depth))}],{{}},{{}}]");
    }

    byte[] Bytes(int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    // Values for every kind of parameter, so that mutations land near what each reader takes.
    static IEnumerable<(string, JobMessage)> Bodies() => new[]
    {
        """[["héllo\u00e9\n"],{"b":[1,2.5,"x",null,true]},{}]""",
        """[[1,-2,3000000000,1.5],{"c":"2024-01-02T03:04:05","d":"00:01:00"},{"callbacks":null}]""",
        """[[{"__type__":"uuid","__value__":{"hex":"00000000000000000000000000000001"}},{"__type__":"base64","__value__":"/wA="}],null,null]""",
        """[["0b0f5c5e-0000-7000-8000-000000000000","AAEC","12.50","2024-01-02"],{},{}]""",
        """[[{"a":{"b":[1,2,{"c":null}]}}],{"a":1,"b":"NaN"},{"chain":[{"task":"x"}]}]""",
    }.Select(body => ("made", Contracts.TestMessage.Of(task: "tasks.add", body: body)))
        .Concat(Enumerable.Repeat(("early", Contracts.TestMessage.Of(task: "tasks.add", body: "[[2,2],{},{}]", headers: ("eta", "2099-01-01T00:00:00+00:00"))), 5));
}
