using System.Diagnostics;
using Jobs.Faults.Check;
using Jobs.Faults.Faults;

namespace Jobs.Faults.Load;

/// <summary>Faults one after the other, in an order that the seed decides: each once before any comes again.</summary>
sealed class Schedule(IReadOnlyList<Fault> faults, FaultContext context, LoadInFlight load, (double Least, double Most) pauseSeconds)
{
    // No fault holds that long; what does is not mended.
    static readonly TimeSpan faultLimit = TimeSpan.FromMinutes(6);
    static readonly TimeSpan healLimit = TimeSpan.FromMinutes(4);

    /// <summary>What was inflicted, in order.</summary>
    public List<FaultWindow> Inflicted { get; } = [];

    /// <summary>The site that could not be healed any more, or <see langword="null"/>.</summary>
    public string? Broken { get; private set; }

    public async Task RunAsync(TimeSpan length, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        over.CancelAfter(length);
        var order = new Queue<Fault>();
        while (true)
        {
            var pause = pauseSeconds.Least + context.Random.NextDouble() * (pauseSeconds.Most - pauseSeconds.Least);
            await Task.Delay(TimeSpan.FromSeconds(pause), over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (over.IsCancellationRequested)
            {
                return;
            }

            if (order.Count == 0)
            {
                var shuffled = faults.ToArray();
                context.Random.Shuffle(shuffled);
                order = new(shuffled);
            }

            await InflictAsync(order.Dequeue(), over.Token);
            if (Broken is not null)
            {
                return;
            }
        }
    }

    async Task InflictAsync(Fault fault, CancellationToken over)
    {
        await load.SurgeAsync();
        var inFlight = load.InFlight;
        context.Say($"{fault.Name} begins, {inFlight} calls in flight");
        var begin = Stopwatch.GetTimestamp();
        string? problem = null;
        try
        {
            await fault.InflictAsync(context, over).WaitAsync(faultLimit, CancellationToken.None);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // The time is up; it is mended all the same.
        }
        catch (Exception e)
        {
            problem = e.Message;
            context.Say($"{fault.Name} went wrong: {e}");
        }

        var mended = Stopwatch.GetTimestamp();
        Inflicted.Add(new(fault.Name, begin, mended, inFlight, problem));
        await HealAsync();
        context.Say(string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"{fault.Name} over after {Stopwatch.GetElapsedTime(begin, mended).TotalSeconds:0.0} s, well again {Stopwatch.GetElapsedTime(mended).TotalSeconds:0.0} s later"));
    }

    async Task HealAsync()
    {
        try
        {
            await context.Site.HealAsync(context.ByHand).WaitAsync(healLimit);
            await context.Workers.HealAsync();
        }
        catch (Exception e)
        {
            Broken = e.Message;
            context.Say($"the site cannot be healed: {e}");
        }
    }
}
