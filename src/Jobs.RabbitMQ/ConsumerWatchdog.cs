namespace Jobs.RabbitMQ;

/// <summary>Asks from time to time whether a consumer still gets the messages of its queue.</summary>
/// <remarks>
/// A broker can forget a consumer without telling anybody. When RabbitMQ 3.10 deletes a loaded quorum queue by force,
/// it tells the queue's consumers nothing. If somebody declares the queue again at once, these consumers look as if
/// they consumed the new queue, but the new queue does not know them. On any version, a queue may believe that a
/// consumer holds a message, although the message never arrived (server #15473).
/// The watchdog makes three checks. Each check finds faults that the earlier checks miss:
/// 1. The queue is gone.
/// 2. Messages wait in the queue, but this consumer holds none and gets none. The watchdog looks twice, because the
/// messages may be on their way.
/// 3. This consumer held nothing and got nothing for some rounds. When other consumers take all messages, a forgotten
/// consumer looks just like an idle one. So a new consumer takes the place of this one. In quarantine the watchdog
/// waits for far more rounds: a quarantine consumer is nearly always idle, and check 2 finds a forgotten consumer as
/// soon as a suspect waits.
/// The broker's count of consumers is no help: while the queue's leader is slow to answer, the broker reports 0.
/// </remarks>
sealed class ConsumerWatchdog(Incarnation incarnation, Consumer consumer, ConsumerState state, TimeSpan interval, TimeProvider time)
{
    const int MostIdleRounds = 4;
    const int MostIdleRoundsInQuarantine = 240; // 2 hours with the usual interval
    static readonly TimeSpan secondLook = TimeSpan.FromSeconds(5);

    /// <returns>Why the consumer is lost; <see langword="null"/> when it may only be idle.</returns>
    public async Task<string?> WatchAsync(CancellationToken life)
    {
        var (starved, idle, received) = (0, 0, consumer.Received);
        while (true)
        {
            try
            {
                var pause = starved > 0 && secondLook < interval ? secondLook : interval;
                return await consumer.Lost.WaitAsync(pause, time, life).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
            }
            catch (OperationCanceledException)
            {
                return incarnation.Reason ?? "stopped";
            }

            long waiting;
            try
            {
                waiting = await incarnation.CountAsync(state.Queue, life).ConfigureAwait(false);
            }
            catch (Exception e) when (!life.IsCancellationRequested)
            {
                return $"the watchdog cannot look at the queue: {e.Message}";
            }

            var silent = consumer.Unsettled == 0 && consumer.Received == received;
            received = consumer.Received;
            idle = silent ? idle + 1 : 0;
            starved = silent && waiting > 0 ? starved + 1 : 0;
            state.Starves(starved > 0);
            if (starved == 2)
            {
                return $"{waiting} messages wait and it was given none";
            }

            if (starved == 0 && idle >= (state.IsQuarantine ? MostIdleRoundsInQuarantine : MostIdleRounds))
            {
                return null;
            }
        }
    }
}
