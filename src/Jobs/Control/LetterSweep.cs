using Jobs.Transport;

namespace Jobs.Control;

/// <summary>Looks at every dead letter in the queue once. Letters that are not taken away stay, in their order.</summary>
/// <remarks>
/// 1. A subscription that browses takes all letters. 2. Letters that are taken away are settled. 3. The end of the
/// subscription returns the others to their places.
/// One subscription holds 65,535 letters at most. When more letters stay, those behind them are not seen, and the sweep
/// says so.
/// </remarks>
sealed class LetterSweep(JobTransport transport, string queue, TimeProvider time)
{
    const int Most = ushort.MaxValue;
    const int Margin = 100; // letters that come meanwhile
    const int AtOnce = 16;
    static readonly TimeSpan patience = TimeSpan.FromSeconds(2);

    // A broker may keep acknowledgements back for a moment, and forgets these when the subscription ends (RabbitMQ's
    // client of quorum queues keeps them back when more than 32 are under way). Their letters would come back.
    static readonly TimeSpan afterTheLast = TimeSpan.FromMilliseconds(250);

    // The broker ends a consumer that holds a message for half an hour.
    static readonly TimeSpan longest = TimeSpan.FromMinutes(10);

    /// <summary>Sweeps once.</summary>
    /// <param name="take">
    /// Decides about a letter: how it is taken away, or <see langword="null"/> for a letter that stays.
    /// </param>
    /// <param name="moved">Is called with the id of each letter that was taken away.</param>
    /// <param name="pace">Is awaited before a letter is taken away.</param>
    /// <param name="expected">How many letters there should be: the count of a broker is some seconds old.</param>
    /// <param name="cancellationToken">Ends the sweep: letters that were not settled stay.</param>
    /// <returns>Whether the sweep saw all letters that were there when it began.</returns>
    public async Task<bool> RunAsync(
        Func<Delivery, CancellationToken, ValueTask<TakenLetter?>> take,
        Action<string> moved,
        Func<CancellationToken, Task> pace,
        long expected,
        CancellationToken cancellationToken)
    {
        var counted = await transport.CountAsync(queue, cancellationToken).ConfigureAwait(false);
        var waiting = Math.Max(counted, expected);
        if (waiting == 0)
        {
            return true;
        }

        var (began, seen) = (time.GetTimestamp(), 0L);
        List<Task> settling = [];
        var subscription = await transport.SubscribeAsync(
            new() { Queues = [queue], Prefetch = (int)Math.Min(waiting + Margin, Most), Browse = true }, cancellationToken).ConfigureAwait(false);
        await using (subscription.ConfigureAwait(false))
        {
            while (seen < waiting && time.GetElapsedTime(began) < longest && await NextAsync().ConfigureAwait(false) is { } letter)
            {
                seen++;
                if (await take(letter, cancellationToken).ConfigureAwait(false) is not { } taken)
                {
                    continue;
                }

                await pace(cancellationToken).ConfigureAwait(false);
                settling.RemoveAll(one => one.IsCompleted);
                if (settling.Count == AtOnce)
                {
                    await Task.WhenAny(settling).ConfigureAwait(false);
                }

                settling.Add(SettleAsync(letter, taken));
            }

            if (settling.Count > 0)
            {
                await Task.WhenAll(settling).ConfigureAwait(false);
                await Task.Delay(afterTheLast, time, cancellationToken).ConfigureAwait(false);
            }
        }

        return seen >= counted;

        async ValueTask<Delivery?> NextAsync()
        {
            try
            {
                return await subscription.NextAsync().AsTask().WaitAsync(patience, time, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                return null; // somebody else takes letters, or more letters stay than one subscription holds
            }
        }

        async Task SettleAsync(Delivery letter, TakenLetter taken)
        {
            try
            {
                await letter.SettleAsync(taken.Outgoing).ConfigureAwait(false);
                moved(taken.Id);
            }
            catch (Exception e) when (e is JobSettlementException or JobTransportException)
            {
                // The letter stays, and the next sweep sees it again.
            }
        }
    }
}

/// <summary>A letter that is taken away.</summary>
/// <param name="Id">The id of its job.</param>
/// <param name="Outgoing">The messages to write before.</param>
readonly record struct TakenLetter(string Id, IReadOnlyList<Outgoing> Outgoing);
