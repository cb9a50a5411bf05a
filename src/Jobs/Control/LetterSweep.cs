using Jobs.Transport;

namespace Jobs.Control;

/// <summary>Looks at every dead letter in the queue once. Letters that are not taken away stay, in their order.</summary>
/// <remarks>
/// 1. A subscription that browses takes all letters. 2. Letters that are taken away are settled. 3. The end of the
/// subscription returns the others to their places.
/// One subscription holds 65,535 letters at most. When more letters stay, the sweep goes through the queue in another
/// way: it writes each letter that stays to the end of the queue, up to a mark. A crash then leaves one letter twice at
/// most for each that was under way.
/// </remarks>
sealed class LetterSweep(JobTransport transport, string queue, TimeProvider time)
{
    const int Most = ushort.MaxValue;
    const int Margin = 100; // letters that come meanwhile
    const int AtOnce = 64;
    static readonly TimeSpan patience = TimeSpan.FromSeconds(10);

    // The broker ends a consumer that holds a message for half an hour.
    static readonly TimeSpan longest = TimeSpan.FromMinutes(10);

    /// <summary>Sweeps once.</summary>
    /// <param name="take">
    /// Decides about a letter: the messages to write before the letter is taken away, or <see langword="null"/> for a
    /// letter that stays.
    /// </param>
    /// <param name="moved">Is called for each letter that was taken away.</param>
    /// <param name="pace">Is awaited before a letter is taken away.</param>
    /// <param name="cancellationToken">Ends the sweep: letters that were not settled stay.</param>
    /// <returns>Whether the sweep saw all letters that were there when it began.</returns>
    public async Task<bool> RunAsync(
        Func<Delivery, CancellationToken, ValueTask<IReadOnlyList<Outgoing>?>> take,
        Action<Delivery> moved,
        Func<CancellationToken, Task> pace,
        CancellationToken cancellationToken)
    {
        var waiting = await transport.CountAsync(queue, cancellationToken).ConfigureAwait(false);
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
                if (await take(letter, cancellationToken).ConfigureAwait(false) is not { } outgoing)
                {
                    continue;
                }

                await pace(cancellationToken).ConfigureAwait(false);
                settling.RemoveAll(one => one.IsCompleted);
                if (settling.Count == AtOnce)
                {
                    await Task.WhenAny(settling).ConfigureAwait(false);
                }

                settling.Add(SettleAsync(letter, outgoing));
            }

            await Task.WhenAll(settling).ConfigureAwait(false);
        }

        return seen >= waiting;

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

        async Task SettleAsync(Delivery letter, IReadOnlyList<Outgoing> outgoing)
        {
            try
            {
                await letter.SettleAsync(outgoing).ConfigureAwait(false);
                moved(letter);
            }
            catch (Exception e) when (e is JobSettlementException or JobTransportException)
            {
                // The letter stays, and the next sweep sees it again.
            }
        }
    }
}
