using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Beat;

/// <summary>
/// Turns the occurrences of all schedules into jobs. Any number of beats may run; one leads and fires, the others stand
/// by.
/// </summary>
/// <remarks>
/// 1. Wait until the journal makes this beat its reader.
/// 2. Merge the records of the journal: up to where each schedule has fired, and what was changed at run time.
/// 3. Fire the occurrences that are due since then, by each schedule's misfire policy, and go on firing. Record in the
/// journal which occurrences are dealt with.
/// 4. When the term is lost, begin again.
/// Leadership is an optimisation, never the safety argument: a job's id is made of schedule and occurrence, so two
/// leaders can only ever make the same jobs.
/// </remarks>
sealed class BeatService(
    TaskRegistry tasks,
    IEnumerable<Schedule> schedules,
    JobTransport transport,
    IJobDispatcher dispatcher,
    IOptions<JobsOptions> jobsOptions,
    IOptions<BeatOptions> options,
    TimeProvider time,
    Telemetry telemetry,
    ILogger<BeatService> logger) : BackgroundService
{
    static readonly TimeSpan pause = TimeSpan.FromSeconds(1);

    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);
    DateTimeOffset started;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        // Taken here, because ExecuteAsync begins later, on another thread.
        started = time.GetUtcNow();
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var book = ScheduleBook.Create(tasks, schedules, options.Value, out var problems);
        if (problems.Count > 0)
        {
            throw new InvalidOperationException($"The schedules are not valid:{Environment.NewLine}{string.Join(Environment.NewLine, problems)}");
        }

        var ofProgram = book.Stored(new(tasks, jobsOptions.Value, transport));
        await using var journal = transport.OpenJournal(BeatRecord.Journal);
        var state = new BeatState(); // outlives terms: the records that this beat has read stay true
        var occurrences = new OccurrenceLog(journal, state, time, logger);
        var recording = occurrences.RunAsync(stoppingToken);
        Log.BeatStarted(logger, book.Schedules.Count());
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var reader = await journal.LeadAsync(stoppingToken);
                await new BeatTerm(reader, state, occurrences, book, ofProgram, tasks, dispatcher, options.Value, started, time, telemetry, logger)
                    .RunAsync(stoppingToken);
                if (!stoppingToken.IsCancellationRequested)
                {
                    Log.BeatLost(logger, reader.LostReason);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                Log.BeatFailed(logger, e);
                await Task.Delay(pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        await recording.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
