using System.Globalization;

namespace Jobs.Faults;

/// <summary>What was asked for.</summary>
sealed record CommandLine
{
    public const string Usage = """
        usage: dotnet run -c Release --project tests/Jobs.Faults -- COMMAND [options]

          run        jobs under load while things break; then every job is accounted for
          controls   what must lose jobs, to prove that the check would see it
          beats      three beats whose leader dies again and again; then every slot is accounted for
          selfcheck  the check itself, on made-up logs; no broker, some seconds
          site-check each fault once, without load: proves the cluster and the faults; site-check docker|processes|URI [seed] [full] [fault…]
          list       the faults, and what they do

          --broker WHAT            processes: a cluster of local rabbitmq-servers (the default)
                                   docker: a cluster of containers
                                   sqlite: no broker; processes that share a database file (run only)
                                   amqp://…,http://…: a cluster that is there and its management API; only the way to it is broken
          --minutes M              how long things break, without start and drain; defaults to 10
          --quick                  a fixed seed and five minutes in all
          --seed S                 the same faults in the same order again; defaults to a random one, which is printed
          --fault NAME…            only these
          --rate N                 jobs per second; max: as many as the broker takes; defaults to 500
          --producers N            publisher connections, each with a window of 512 unconfirmed messages; defaults to 5
          --workers N              worker processes; defaults to 3
          --enqueue-timeout S      seconds that a call may take; defaults to 90
          --deaths N               of leading beats; defaults to 500
          --record FILE            appends the result to a Markdown file
          --logs FOLDER            keeps the logs there; otherwise they are kept when the run fails

        Exit code: 0 passed, 1 failed, 2 it could not be run.
        """;

    public string Command { get; private init; } = "";

    public string Broker { get; private init; } = "processes";

    public double Minutes { get; private init; } = 10;

    public bool Quick { get; private init; }

    public int Seed { get; private init; } = Random.Shared.Next(1, 1_000_000);

    public IReadOnlyList<string> Faults { get; private init; } = [];

    /// <summary>0: as many as the broker takes.</summary>
    public int Rate { get; private init; } = 500;

    public int Producers { get; private init; } = 5;

    public int Workers { get; private init; } = 3;

    public TimeSpan EnqueueTimeout { get; private init; } = TimeSpan.FromSeconds(90);

    /// <summary>Of leading beats.</summary>
    public int Deaths { get; private init; } = 500;

    public string? Record { get; private init; }

    public string? Logs { get; private init; }

    /// <summary>As it was typed, without what is secret.</summary>
    public string Text { get; private init; } = "";

    /// <exception cref="ArgumentException">It cannot be read; the message says what is wrong.</exception>
    public static CommandLine Parse(string[] args)
    {
        const int QuickSeed = 7610; // its first faults are short and of many kinds, kill-keeper and kill-history-node among them
        var line = new CommandLine { Command = args.FirstOrDefault() ?? "--help", Text = string.Join(' ', args) };
        for (var i = 1; i < args.Length; i++)
        {
            var option = args[i];
            line = option switch
            {
                "--help" or "-h" => line with { Command = "--help" },
                "--quick" => line with { Quick = true, Seed = QuickSeed },
                "--broker" => line with { Broker = Value() },
                "--minutes" => line with { Minutes = Number(0.1, 60 * 24 * 7) },
                "--seed" => line with { Seed = (int)Number(0, int.MaxValue) },
                "--fault" => line with { Faults = Values() },
                "--rate" => line with { Rate = Rate() },
                "--producers" => line with { Producers = (int)Number(1, 100) },
                "--workers" => line with { Workers = (int)Number(1, 100) },
                "--enqueue-timeout" => line with { EnqueueTimeout = TimeSpan.FromSeconds(Number(1, 3600)) },
                "--deaths" => line with { Deaths = (int)Number(1, 100_000) },
                "--record" => line with { Record = Value() },
                "--logs" => line with { Logs = Value() },
                _ => throw new ArgumentException($"There is no option {option}; --help lists them."),
            };

            string Value() => ++i < args.Length ? args[i] : throw new ArgumentException($"{option} needs a value; --help says which.");

            double Number(double least, double most) => double.TryParse(Value(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
                ? number
                : throw new ArgumentException($"{option} {args[i]}: it must be a number from {least} to {most}.");

            int Rate() => Value() == "max" ? 0 : int.TryParse(args[i], NumberStyles.None, CultureInfo.InvariantCulture, out var rate) && rate > 0
                ? rate
                : throw new ArgumentException($"--rate {args[i]}: it must be 'max' or a positive number.");

            List<string> Values()
            {
                var values = new List<string>(line.Faults);
                do
                {
                    values.AddRange(Value().Split(',', StringSplitOptions.RemoveEmptyEntries));
                }
                while (i + 1 < args.Length && !args[i + 1].StartsWith('-'));
                return values;
            }
        }

        if (line.Broker.Contains("://", StringComparison.Ordinal))
        {
            var at = line.Broker.LastIndexOf('@') + 1;
            line = line with { Text = line.Text.Replace(line.Broker, at == 0 ? line.Broker : "amqp://…@" + line.Broker[at..], StringComparison.Ordinal) };
        }
        else if (line.Broker is not ("processes" or "docker" or "sqlite"))
        {
            throw new ArgumentException($"--broker {line.Broker}: it must be 'processes', 'docker', 'sqlite' or a URI that begins with amqp://.");
        }

        return line;
    }
}
