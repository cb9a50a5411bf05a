using System.Diagnostics;

namespace Jobs.Benchmarks;

/// <summary>Jobs with awaited results, and chains of three, over RabbitMQ: Jobs and the same by hand in turns, in the same run and on the same broker.</summary>
static class FollowUps
{
    public static async Task RunAsync(BenchmarkOptions options)
    {
        var rounds = Math.Min(options.Rounds ?? 5, 5);
        await using var hand = await FollowUpsByHand.StartAsync(options);
        await using var jobs = await JobsUnderTest.StartAsync(options);
        Console.WriteLine($"\n{"",-22}{"Jobs/s",28}{"by hand/s",28}{"ratio",22}");
        await CompareAsync("with results", options.Jobs / 4, jobs.CallManyAsync, hand.CallManyAsync);
        await CompareAsync("chains of three", options.Jobs / 12, jobs.ChainsAsync, hand.ChainsAsync);

        async Task CompareAsync(string what, int count, Func<int, Task> ofJobs, Func<int, Task> byHand)
        {
            List<(double Jobs, double Hand)> rates = [];
            for (var round = 0; round <= rounds; round++)
            {
                var handFirst = round % 2 == 1;
                var ofHand = handFirst ? await RateAsync(byHand) : 0;
                var rate = await RateAsync(ofJobs);
                ofHand = handFirst ? ofHand : await RateAsync(byHand);
                if (round > 0) // the first one is the warm-up
                {
                    rates.Add((rate, ofHand));
                }
            }

            Console.WriteLine($"{what,-22}{Spread.Of(rates.Select(r => r.Jobs)).ToString("n0"),28}{Spread.Of(rates.Select(r => r.Hand)).ToString("n0"),28}"
                + $"{Spread.Of(rates.Select(r => r.Jobs / r.Hand)).ToString("0.00"),22}");

            async Task<double> RateAsync(Func<int, Task> runAsync)
            {
                GC.Collect();
                var start = Stopwatch.GetTimestamp();
                await runAsync(count);
                return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }
    }
}
