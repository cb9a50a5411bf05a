using System.Collections.Concurrent;
using System.Diagnostics;
using Jobs.Faults.Logs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Faults.Load;

/// <summary>A host of its own, with a publisher connection of its own, that enqueues through the real dispatcher and writes down what each call said.</summary>
sealed class Producer : IAsyncDisposable
{
    static readonly TimeSpan tick = TimeSpan.FromMilliseconds(10);

    readonly IHost host;
    readonly RecordFile records;
    readonly FileLogger logger;
    readonly IJobDispatcher dispatcher;
    readonly JobKey first;
    readonly Func<JobKey, Job> make;
    readonly bool chains;
    readonly ConcurrentDictionary<int, long> pending = new();
    readonly ConcurrentDictionary<JobKey, byte> answers = new();
    readonly ConcurrentDictionary<string, int> errors = new();
    readonly CancellationTokenSource stopping = new();
    Task sending = Task.CompletedTask;
    int next;
    int calls;
    int inFlight;
    long confirmed;
    long answered;
    long toldOfLoss;

    /// <param name="folder">Of the run.</param>
    /// <param name="index">Of this producer.</param>
    /// <param name="uri">Of the site.</param>
    /// <param name="timeout">What every call has to end within.</param>
    /// <param name="make">Makes a job.</param>
    /// <param name="chains">Whether some calls enqueue chains.</param>
    public Producer(RunFolder folder, ushort index, string uri, TimeSpan timeout, Func<JobKey, Job> make, bool chains = false)
    {
        (this.make, this.chains) = (make, chains);
        first = new(folder.Run, index, 0);
        Timeout = timeout;
        var file = folder.NewFile($"producer{index}");
        records = new(file + ".bin");
        logger = new(file + ".log", records, LoadInFlight.Process);
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Logging.AddProvider(logger);
        builder.Services.AddJobs(jobs => jobs.UseSite(uri).Configure(options => options.EnqueueTimeout = timeout));
        host = builder.Build();
        dispatcher = host.Services.GetRequiredService<IJobDispatcher>();
    }

    /// <summary>What every call has to end within.</summary>
    public TimeSpan Timeout { get; }

    /// <summary>Calls that have not returned.</summary>
    public int InFlight => Volatile.Read(ref inFlight);

    public long Confirmed => Interlocked.Read(ref confirmed);

    /// <summary>Chains whose end this producer has not heard of, although their enqueue was confirmed.</summary>
    public IReadOnlyCollection<JobKey> Unanswered => [.. answers.Keys];

    /// <summary>Chains whose result came.</summary>
    public long Answered => Interlocked.Read(ref answered);

    /// <summary>Chains of which the producer was told that no result will come.</summary>
    public long ToldOfLoss => Interlocked.Read(ref toldOfLoss);

    /// <summary>How old the oldest call is that has not returned.</summary>
    public TimeSpan Oldest => pending.IsEmpty ? TimeSpan.Zero : Stopwatch.GetElapsedTime(pending.Values.DefaultIfEmpty(Stopwatch.GetTimestamp()).Min());

    /// <summary>Exceptions that <c>EnqueueAsync</c> does not document, and how often.</summary>
    public IReadOnlyDictionary<string, int> Undocumented => errors;

    /// <summary>Jobs of calls that are older than they may be.</summary>
    public IEnumerable<JobKey> Overdue(TimeSpan limit) =>
        pending.Where(call => Stopwatch.GetElapsedTime(call.Value) > limit).Select(call => first with { Number = call.Key });

    public async Task StartAsync(Pace pace)
    {
        await host.StartAsync();
        sending = Task.Run(() => SendAsync(pace));
    }

    /// <summary>A number of jobs at once, besides the pace.</summary>
    public void Burst(int count)
    {
        for (var i = 0; i < count; i++)
        {
            _ = CallAsync();
        }
    }

    /// <summary>Sends no more; what is in flight goes on.</summary>
    public async Task StopAsync()
    {
        await stopping.CancelAsync();
        await sending;
    }

    /// <summary>To be called when the run is over: what is in flight then, ends.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await host.StopAsync();
        host.Dispose();
        logger.Dispose();
        records.Dispose();
        stopping.Dispose();
    }

    async Task SendAsync(Pace pace)
    {
        var last = Stopwatch.GetTimestamp();
        var credit = 0.0;
        while (!stopping.IsCancellationRequested)
        {
            var elapsed = Stopwatch.GetElapsedTime(last);
            last = Stopwatch.GetTimestamp();
            Burst(pace.Allow(elapsed, InFlight, ref credit));
            await Task.Delay(tick, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task CallAsync()
    {
        var isChain = chains && LoadMix.IsChain(Interlocked.Increment(ref calls));
        var count = isChain ? LoadMix.Links : 1;
        var key = first with { Number = Interlocked.Add(ref next, count) - count };
        Say(Said.Attempted);
        Interlocked.Increment(ref inFlight);
        pending[key.Number] = Stopwatch.GetTimestamp();
        var said = Said.Unknown;
        JobHandle<string>? result = null;
        try
        {
            if (isChain)
            {
                result = await dispatcher.EnqueueAsync(LoadMix.Chain(key) with { Result = true });
            }
            else
            {
                await dispatcher.EnqueueAsync(make(key));
            }

            said = Said.Confirmed;
            Interlocked.Add(ref confirmed, count);
        }
        catch (JobPublishException e)
        {
            said = e.MaybeEnqueued ? Said.Unknown : Said.NotEnqueued;
        }
        catch (Exception e)
        {
            errors.AddOrUpdate($"{e.GetType().Name}: {e.Message}", 1, (_, count) => count + 1);
        }
        finally
        {
            pending.TryRemove(key.Number, out _);
            Interlocked.Decrement(ref inFlight);
        }

        Say(said);
        if (result is not null)
        {
            answers[key] = 0;
            await HearAsync(key, result);
        }

        // The end of a chain is confirmed with its begin: each link must run.
        void Say(Said what)
        {
            for (var i = 0; i < count; i++)
            {
                records.Write(what, key with { Number = key.Number + i });
            }
        }
    }

    async Task HearAsync(JobKey key, JobHandle<string> result)
    {
        try
        {
            await result.GetResultAsync(System.Threading.Timeout.InfiniteTimeSpan);
            Interlocked.Increment(ref answered);
            answers.TryRemove(key, out _);
        }
        catch (JobTransportException)
        {
            Interlocked.Increment(ref toldOfLoss); // the reply queue is gone
            answers.TryRemove(key, out _);
        }
        catch (Exception e) when (e is JobFailedException or ObjectDisposedException)
        {
            errors.AddOrUpdate($"{e.GetType().Name}: {e.Message}", 1, (_, count) => count + 1);
            answers.TryRemove(key, out _);
        }
    }
}
