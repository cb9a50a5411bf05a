using System.Diagnostics;
using Jobs.Brokers;
using Jobs.Faults.Logs;

namespace Jobs.Faults.Load;

/// <summary>The producers of a run and what is known of their jobs while it goes on.</summary>
sealed class LoadInFlight : IAsyncDisposable
{
    /// <summary>This process, in the records of memory; the workers are the other kind.</summary>
    public const int Process = 0;

    // On top of the deadline of a call: the sweeper's interval, a busy machine.
    static readonly TimeSpan grace = TimeSpan.FromSeconds(10);

    readonly RunFolder folder;
    readonly List<Producer> producers;
    readonly RecordFile records;
    readonly CancellationTokenSource stopping = new();
    readonly HashSet<JobKey> hung = [];
    readonly Pace pace;
    Task watching = Task.CompletedTask;
    long samples;
    long samplesAbove;

    public LoadInFlight(RunFolder folder, string uri, Pace pace, int producers, TimeSpan timeout, bool victim)
    {
        (this.folder, this.pace) = (folder, pace);
        Progress = new(folder);
        Letters = new(folder, uri);
        this.producers = [.. Enumerable.Range(0, producers).Select(index => new Producer(folder, (ushort)index, uri, timeout, LoadMix.Of, chains: true))];
        Victim = victim ? new(folder, WatchedLoss.Producer, uri, timeout, LoadMix.Victim) : null;
        records = new(folder.NewFile("orchestrator") + ".bin");
    }

    public Producer? Victim { get; }

    public Progress Progress { get; }

    public LetterRetries Letters { get; }

    public int InFlight => producers.Sum(producer => producer.InFlight);

    public int MaxInFlight { get; private set; }

    /// <summary>The share of the time in which at least 2,000 calls were in flight.</summary>
    public double ShareAbove2000 => samples == 0 ? 0 : (double)samplesAbove / samples;

    /// <summary>Calls that were pending longer than their deadline and ten seconds.</summary>
    public IReadOnlyCollection<JobKey> Hung => hung;

    public IEnumerable<KeyValuePair<string, int>> Undocumented => Everyone.SelectMany(producer => producer.Undocumented);

    IEnumerable<Producer> Everyone => Victim is null ? producers : producers.Append(Victim);

    public async Task StartAsync()
    {
        foreach (var producer in producers)
        {
            await producer.StartAsync(pace);
        }

        if (Victim is not null)
        {
            const int Slowly = 20;
            await Victim.StartAsync(new Pace(Slowly, 1));
        }

        await Letters.StartAsync();
        watching = Task.Run(WatchAsync);
    }

    /// <summary>Returns when as many calls are in flight as a fault shall meet, or the broker is too fast for that; they are kept in flight for another second.</summary>
    public async Task SurgeAsync()
    {
        const int Enough = 2_000;
        pace.SurgeFor(TimeSpan.FromSeconds(2));
        var begun = Stopwatch.GetTimestamp();
        while (InFlight < Enough && Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(1))
        {
            await Task.Delay(1);
        }
    }

    /// <summary>Chains whose result came, and those of which the producer was told that none will come.</summary>
    public (long Answered, long ToldOfLoss) Answers => (producers.Sum(producer => producer.Answered), producers.Sum(producer => producer.ToldOfLoss));

    /// <summary>To be called when all jobs have run: waits for the answers, and gives the chains that nobody heard of.</summary>
    public async Task<IReadOnlyCollection<JobKey>> UnansweredAsync(TimeSpan patience)
    {
        var start = Stopwatch.GetTimestamp();
        while (producers.Any(producer => producer.Unanswered.Count > 0) && Stopwatch.GetElapsedTime(start) < patience)
        {
            await Task.Delay(50);
        }

        return [.. producers.SelectMany(producer => producer.Unanswered)];
    }

    /// <summary>Sends no more, and returns when every call has ended or is known to hang.</summary>
    public async Task StopAsync()
    {
        await Task.WhenAll(Everyone.Select(producer => producer.StopAsync()));
        await Eventually.BecomesAsync(
            () => Everyone.All(producer => producer.InFlight == 0 || producer.Oldest > producer.Timeout + grace),
            Everyone.Max(producer => producer.Timeout) + grace + grace,
            "all calls to end");
        LookForHung();
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await watching;
        await Letters.DisposeAsync();
        foreach (var producer in Everyone)
        {
            await producer.DisposeAsync();
        }

        records.Dispose();
        Progress.Dispose();
        stopping.Dispose();
    }

    async Task WatchAsync()
    {
        for (var round = 0; !stopping.IsCancellationRequested; round++)
        {
            Progress.Refresh();
            pace.Backlog = Everyone.Sum(producer => producer.Confirmed) - Progress.Finished;
            var now = InFlight;
            MaxInFlight = Math.Max(MaxInFlight, now);
            samples++;
            samplesAbove += now >= 2_000 ? 1 : 0;
            if (round % 20 == 0)
            {
                records.WriteMemory(Process);
                LookForHung();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(250), stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    void LookForHung()
    {
        foreach (var producer in Everyone)
        {
            foreach (var key in producer.Overdue(producer.Timeout + grace))
            {
                if (hung.Add(key))
                {
                    folder.Say($"HUNG: the call for {key} has not returned {(producer.Timeout + grace).TotalSeconds:0} s after it was made");
                }
            }
        }
    }
}
