using System.Globalization;

namespace Jobs.Benchmarks;

sealed record BenchmarkOptions
{
    public string Broker { get; private init; } = "amqp://guest:guest@127.0.0.1";

    public int Jobs { get; private init; } = 100_000;

    public int Rounds { get; private init; } = 2;

    public int Rate { get; private init; } = 500;

    public int Seconds { get; private init; } = 20;

    public static BenchmarkOptions Parse(string[] args, out string what)
    {
        var options = new BenchmarkOptions();
        what = args.FirstOrDefault() ?? "";
        for (var i = 1; i + 1 < args.Length; i += 2)
        {
            var value = args[i + 1];
            options = args[i] switch
            {
                "--broker" => options with { Broker = value },
                "--jobs" => options with { Jobs = Number() },
                "--rounds" => options with { Rounds = Number() },
                "--rate" => options with { Rate = Number() },
                "--seconds" => options with { Seconds = Number() },
                _ => throw new ArgumentException($"unknown option {args[i]}"),
            };

            int Number() => int.Parse(value, CultureInfo.InvariantCulture);
        }

        return options;
    }
}
