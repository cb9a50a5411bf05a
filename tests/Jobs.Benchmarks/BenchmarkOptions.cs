using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>The command line. An option that is not given takes the default of its benchmark.</summary>
sealed record BenchmarkOptions
{
    // What a message body has around the text of a job that has one text argument: the body as Jobs writes it, in Celery's format.
    const string BeforeText = "[[\"";
    const string AfterText = "\"],{},{\"callbacks\":null,\"errbacks\":null,\"chain\":null,\"chord\":null}]";
    static readonly int AroundText = BeforeText.Length + AfterText.Length;

    static readonly string[] anyTransport =
        ["throughput", "events", "history", "wake-worker", "keeper", "keeper-child", "dashboard", "dashboard-size", "dashboard-child"];

    public string Broker { get; init; } = "amqp://guest:guest@127.0.0.1";

    public bool InMemory { get; private init; }

    /// <summary>The database file; empty for the benchmark to choose, <see langword="null"/> for another transport.</summary>
    public string? Sqlite { get; init; }

    /// <summary>What the hosts tell; the default of Jobs unless a benchmark compares it.</summary>
    public EventLevel Events { get; init; } = EventLevel.Default;

    public int Jobs { get; init; } = 100_000;

    /// <summary>Dead letters in the keeper's index.</summary>
    public int Entries { get; private init; } = 100_000;

    /// <summary>How often the keeper is killed.</summary>
    public int Deaths { get; private init; } = 100;

    /// <summary>The management API of the broker; <see langword="null"/> for hosts that do without.</summary>
    public string? Management { get; init; }

    /// <summary>What a process that a benchmark starts has to do.</summary>
    public string Role { get; private init; } = "";

    public int? Rounds { get; private init; }

    public int? Rate { get; private init; }

    public int? Seconds { get; private init; }

    /// <summary>Slots of the worker.</summary>
    public int? Concurrency { get; init; }

    public ushort Prefetch { get; private init; } = 300;

    /// <summary>How many messages may be published and not yet confirmed, of Jobs and of the references.</summary>
    public int Window { get; private init; } = 512;

    /// <summary>Bytes of a message body.</summary>
    public int Body { get; private init; } = AroundText + 400;

    /// <summary>The text that makes a body of <see cref="Body"/> bytes.</summary>
    public string Text() => new('x', Body - AroundText);

    /// <exception cref="ArgumentException">An option is not known, has no value, or its value does not fit.</exception>
    public static BenchmarkOptions Parse(string[] args, out string what)
    {
        var options = new BenchmarkOptions();
        what = args.FirstOrDefault() ?? "";
        options = what is "history" or "dashboard" or "dashboard-size" ? options with { Jobs = 1_000_000 } : options;
        for (var i = 1; i < args.Length; i += 2)
        {
            var option = args[i];
            var value = i + 1 < args.Length ? args[i + 1] : throw new ArgumentException($"{option} needs a value");
            options = option switch
            {
                "--broker" => options with { Broker = value },
                "--transport" => value switch
                {
                    "memory" => options with { InMemory = true },
                    "sqlite" => options with { Sqlite = "" },
                    _ when value.StartsWith("sqlite:", StringComparison.Ordinal) => options with { Sqlite = value["sqlite:".Length..] },
                    "rabbitmq" => options,
                    _ => throw new ArgumentException("--transport must be rabbitmq, sqlite or memory"),
                },
                "--jobs" => options with { Jobs = Number(1) },
                "--entries" => options with { Entries = Number(1) },
                "--management" => options with { Management = value },
                "--role" => options with { Role = value },
                "--deaths" => options with { Deaths = Number(1) },
                "--rounds" => options with { Rounds = Number(1) },
                "--rate" => options with { Rate = Number(1) },
                "--seconds" => options with { Seconds = Number(1) },
                "--concurrency" => options with { Concurrency = Number(1) },
                "--prefetch" => options with { Prefetch = (ushort)Math.Min(Number(1), ushort.MaxValue) },
                "--window" => options with { Window = Number(1) },
                "--body" => options with { Body = Number(AroundText) },
                _ => throw new ArgumentException($"unknown option {option}"),
            };

            int Number(int least) => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least
                ? number
                : throw new ArgumentException($"{option} {value}: it must be a number from {least} up");
        }

        return (options.InMemory || options.Sqlite is not null) && !anyTransport.Contains(what)
            ? throw new ArgumentException("--transport memory and sqlite: only throughput, events, history, keeper, dashboard and dashboard-size have them")
            : options;
    }
}
