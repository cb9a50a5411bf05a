using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Jobs.Faults.Logs;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Faults.Load;

/// <summary>
/// An operator who sends all jobs that died back to their queues, again and again, whatever is broken; and who looks at the
/// index and the history in the end.
/// </summary>
sealed class LetterRetries : IAsyncDisposable
{
    /// <summary>Letters in a second: the default.</summary>
    public const int Rate = 100;

    static readonly TimeSpan interval = TimeSpan.FromSeconds(10);

    // What is slower hangs: a sweep has no more to do than what died in a fault or two.
    static readonly TimeSpan limit = TimeSpan.FromMinutes(5);

    // The keeper compares its index with the queue each half minute, and acts when it finds the same difference twice.
    static readonly TimeSpan untilIndexed = TimeSpan.FromSeconds(100);

    static readonly DeadLetterQuery query = new() { Task = LoadTasks.Dies };

    readonly IHost host;
    readonly FileLogger logger;
    readonly RecordFile records;
    readonly RunFolder folder;
    readonly JobControl control;
    readonly JobInspector inspector;
    readonly JobTransport transport;
    readonly SemaphoreSlim nudged = new(0, 1);
    readonly CancellationTokenSource stopping = new();
    readonly ConcurrentDictionary<string, int> errors = new();
    Task working = Task.CompletedTask;

    public LetterRetries(RunFolder folder, string uri)
    {
        this.folder = folder;
        var file = folder.NewFile("letters");
        records = new(file + ".bin");
        logger = new(file + ".log", records, LoadInFlight.Process);
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Logging.AddProvider(logger);
        builder.Services.AddJobs(jobs => jobs.UseSite(uri));
        host = builder.Build();
        control = host.Services.GetRequiredService<JobControl>();
        inspector = host.Services.GetRequiredService<JobInspector>();
        transport = host.Services.GetRequiredService<JobTransport>();
    }

    public int Calls { get; private set; }

    /// <summary>Whether a call has not returned.</summary>
    public bool IsCalling { get; private set; }

    /// <summary>Of the calls, those that returned before all was done.</summary>
    public int NotDone { get; private set; }

    /// <summary>Of the calls, those that threw what is documented.</summary>
    public int Failed { get; private set; }

    /// <summary>Letters that calls reported as sent back.</summary>
    public long Moved { get; private set; }

    public IReadOnlyDictionary<string, int> Undocumented => errors;

    /// <summary>Of how many failed jobs the history was asked, and how many it knew.</summary>
    public (int Asked, int Known) History { get; private set; }

    public async Task StartAsync()
    {
        await host.StartAsync();
        working = Task.Run(WorkAsync);
    }

    /// <summary>Sends back now what there is.</summary>
    public void Nudge()
    {
        if (nudged.CurrentCount == 0)
        {
            nudged.Release();
        }
    }

    /// <summary>When the producers have stopped: sends back until nothing is left. Gives what could not be drained.</summary>
    /// <param name="drain">Returns when the workers have run all there is, or says what is left.</param>
    public async Task<string?> FinishAsync(Func<Task<string?>> drain)
    {
        await stopping.CancelAsync();
        await working;
        var begun = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begun) < limit)
        {
            // First, so that the drain waits for what this sends back, too.
            var sent = await RetryAsync(CancellationToken.None);
            if (await drain() is { } left)
            {
                return left;
            }

            if (sent is { State: DeadLetterRequestState.Done } && await CountAsync() == 0)
            {
                return null;
            }
        }

        return $"{await CountAsync()} dead letters that could not be sent back in {limit.TotalMinutes:0} minutes";
    }

    /// <summary>Writes down which jobs the index has, when it has as many as the queue or does not come to that.</summary>
    public async Task RecordIndexAsync()
    {
        var begun = Stopwatch.GetTimestamp();
        while (true)
        {
            var index = await IndexAsync();
            if (index.Count == await transport.CountAsync(LoadQueues.DeadLetters, CancellationToken.None) || Stopwatch.GetElapsedTime(begun) > untilIndexed)
            {
                foreach (var letter in index)
                {
                    if (JobKey.TryParse(letter.Id, out var key) && key.Run == folder.Run)
                    {
                        records.Write(Said.Indexed, key);
                    }
                }

                return;
            }

            await Task.Delay(TimeSpan.FromSeconds(1));
        }
    }

    /// <summary>Asks the history about jobs that failed. Events are not durable, so some may be missing.</summary>
    public async Task AskHistoryAsync(IReadOnlyList<JobKey> failed)
    {
        var patience = TimeSpan.FromSeconds(60);
        var begun = Stopwatch.GetTimestamp();
        var known = 0;
        for (var i = 0; i < failed.Count && Stopwatch.GetElapsedTime(begun) < patience;)
        {
            try
            {
                using var time = new CancellationTokenSource(patience);
                var info = await inspector.GetJobAsync(failed[i].ToString(), time.Token);
                known += info.State != JobState.Unknown ? 1 : 0;
                i++;
            }
            catch (Exception e) when (e is JobTransportException or OperationCanceledException)
            {
                folder.Say($"the history does not answer: {e.Message}");
                await Task.Delay(TimeSpan.FromSeconds(1));
            }
        }

        History = (failed.Count, known);
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await working;
        await host.StopAsync();
        host.Dispose();
        logger.Dispose();
        records.Dispose();
        nudged.Dispose();
        stopping.Dispose();
    }

    async Task WorkAsync()
    {
        try
        {
            while (true)
            {
                await nudged.WaitAsync(interval, stopping.Token);
                await RetryAsync(stopping.Token);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The run goes on to its end.
        }
    }

    /// <summary>One call. A request that could not be made, or of which nobody says what became, is made again by the next call.</summary>
    async Task<DeadLetterRequest?> RetryAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(limit);
        try
        {
            Calls++;
            IsCalling = true;
            var request = await control.RetryDeadLettersAsync(query, new() { PerSecond = Rate }, patience.Token);
            NotDone += request.State == DeadLetterRequestState.Done ? 0 : 1;
            Moved += request.Moved;
            return request;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        catch (OperationCanceledException)
        {
            Note(string.Create(CultureInfo.InvariantCulture, $"a call that had not returned after {limit.TotalMinutes:0} minutes"));
        }
        catch (Exception e) when (e is JobPublishException or JobTransportException)
        {
            Failed++;
            folder.Say($"dead letters were not sent back: {e.Message}");
        }
        catch (Exception e)
        {
            Note($"{e.GetType().Name}: {e.Message}");
        }
        finally
        {
            IsCalling = false;
        }

        return null;

        void Note(string error) => errors.AddOrUpdate(error, 1, (_, count) => count + 1);
    }

    async Task<int> CountAsync() => (await PageAsync(query, limit: 1, after: null)).Total;

    async Task<List<DeadLetterInfo>> IndexAsync()
    {
        const int Page = 1_000;
        List<DeadLetterInfo> all = [];
        string? after = null;
        do
        {
            var page = await PageAsync(new(), Page, after);
            all.AddRange(page.Letters);
            after = page.Next;
        }
        while (after is not null);
        return all;
    }

    /// <summary>The site is well when this is asked, but a node of it may have come back only now.</summary>
    async Task<DeadLetterPage> PageAsync(DeadLetterQuery letters, int limit, string? after)
    {
        const int Attempts = 5;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await inspector.DeadLettersAsync(letters, limit, after);
            }
            catch (JobTransportException e) when (attempt < Attempts)
            {
                folder.Say($"the index of dead letters does not answer, once more: {e.Message}");
            }
        }
    }
}
