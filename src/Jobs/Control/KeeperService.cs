using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Control;

/// <summary>
/// Stands by for the keeper, in every process with a worker. The keeper is one of them: it keeps what must be small,
/// exact and shared. Today that is the index of dead letters, and the requests about them.
/// </summary>
/// <remarks>
/// 1. Wait until the journal makes this process its reader. 2. Merge the records. 3. Take records and questions as they
/// come, and carry out requests (<see cref="Sweeper"/>). 4. When the term is over, begin again.
/// </remarks>
sealed class KeeperService(JobTransport transport, IOptions<JobsOptions> options, TimeProvider time, ILogger<KeeperService> logger) : BackgroundService
{
    static readonly TimeSpan pause = TimeSpan.FromSeconds(1);

    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await using var journal = transport.OpenJournal(KeeperRecord.JournalOf(options.Value.DeadLetterQueue));
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var reader = await journal.LeadAsync(stoppingToken);
                await new KeeperTerm(transport, journal, reader, options.Value, time, logger).RunAsync(stoppingToken);
                if (reader.Lost.IsCancellationRequested && !stoppingToken.IsCancellationRequested)
                {
                    Log.KeeperLost(logger, reader.LostReason);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                Log.KeeperFailed(logger, e);
                await Task.Delay(pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
