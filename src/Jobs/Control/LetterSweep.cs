using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Control;

/// <summary>Looks at every dead letter in the queue once. Letters that are not taken away stay, in their order.</summary>
/// <remarks>
/// 1. A subscription that browses takes all letters. 2. Letters that are taken away are settled. 3. The end of the
/// subscription returns the others to their places.
/// When there are more letters than one subscription holds, the sweep goes once round the queue: 1. It publishes marks.
/// 2. It takes letters in portions. A letter that stays is published again, to the end of the queue, and then settled.
/// 3. It ends when the marks come. A crash leaves at most one portion of letters twice, and loses none; the next sweep
/// drops the second one of each.
/// </remarks>
sealed class LetterSweep(JobTransport transport, string queue, TimeProvider time)
{
    const int Margin = 100; // letters that come meanwhile
    const int AtOnce = 16;
    const int CopiesAtOnce = 256;
    const byte Urgent = 9;
    static readonly TimeSpan patience = TimeSpan.FromSeconds(2);
    static readonly TimeSpan publishTimeout = TimeSpan.FromSeconds(30);

    // A broker may keep acknowledgements back for a moment, and forgets these when the subscription ends (RabbitMQ's
    // client of quorum queues keeps them back when more than 32 are under way). Their letters would come back.
    static readonly TimeSpan afterTheLast = TimeSpan.FromMilliseconds(250);

    // The broker ends a consumer that holds a message for half an hour.
    static readonly TimeSpan longest = TimeSpan.FromMinutes(10);

    /// <summary>How many letters one subscription holds.</summary>
    public int Most { get; init; } = ushort.MaxValue;

    /// <summary>How many letters the sweep holds at once when it goes round the queue.</summary>
    public int Portion { get; init; } = 1_000;

    /// <summary>Sweeps once.</summary>
    /// <param name="take">
    /// Decides about a letter: what to write before it is taken away, or <see langword="null"/> for a letter that stays.
    /// </param>
    /// <param name="moved">Is called with each letter that was taken away.</param>
    /// <param name="pace">Is awaited before a letter is taken away.</param>
    /// <param name="expected">How many letters there should be: the count of a broker is some seconds old.</param>
    /// <param name="cancellationToken">Ends the sweep: letters that were not settled stay.</param>
    /// <returns>Whether the sweep saw all letters that were there when it began.</returns>
    public async Task<bool> RunAsync(
        Func<Delivery, DeadLetterInfo, CancellationToken, ValueTask<IReadOnlyList<Outgoing>?>> take,
        Action<DeadLetterInfo> moved,
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

        // A transport with priorities gives any number of letters to one subscription. It could not be gone round: an
        // urgent letter that is published again comes before the others again.
        var isRound = waiting + Margin > Most && !transport.Capabilities.HasFlag(TransportCapabilities.Priorities);
        var id = Guid.NewGuid().ToString("N");
        var marks = isRound ? await MarkAsync(id, cancellationToken).ConfigureAwait(false) : 0;
        var (began, seen, again) = (time.GetTimestamp(), 0L, 0L);
        HashSet<(string Id, DateTimeOffset At)> deaths = [];
        List<Task> settling = [];
        var subscription = await transport.SubscribeAsync(
            new() { Queues = [queue], Prefetch = isRound ? Portion : (int)Math.Min(waiting + Margin, int.MaxValue), Browse = true },
            cancellationToken).ConfigureAwait(false);
        await using (subscription.ConfigureAwait(false))
        {
            while (IsUnderWay() && await NextAsync().ConfigureAwait(false) is { } letter)
            {
                if (MarkOf(letter.Message) is { } mark)
                {
                    seen++;
                    marks -= mark == id ? 1 : 0;
                    settling.Add(SettleAsync(letter, [], null)); // that of a sweep that broke off, too
                    continue;
                }

                var (outgoing, isTaken) = await DecideAsync(letter).ConfigureAwait(false);
                if (outgoing is null)
                {
                    continue;
                }

                settling.RemoveAll(one => one.IsCompleted);
                if (settling.Count >= (isRound ? CopiesAtOnce : AtOnce))
                {
                    await Task.WhenAny(settling).ConfigureAwait(false);
                }

                settling.Add(SettleAsync(letter, outgoing, isTaken));
            }

            if (settling.Count > 0)
            {
                await Task.WhenAll(settling).ConfigureAwait(false);
                await Task.Delay(afterTheLast, time, cancellationToken).ConfigureAwait(false);
            }
        }

        return isRound ? marks == 0 : seen >= counted;

        // Somebody else may have taken our marks. Then the letters that we published come again and again.
        bool IsUnderWay() => (isRound ? marks > 0 && again <= 3 * (waiting + Margin) : seen < waiting) && time.GetElapsedTime(began) < longest;

        async ValueTask<Delivery?> NextAsync()
        {
            try
            {
                return await subscription.NextAsync().AsTask().WaitAsync(patience, time, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                return null; // somebody else takes letters
            }
        }

        // What to write before the letter is settled, and the letter when it is taken away; null for a letter that is left
        // where it is.
        async ValueTask<(IReadOnlyList<Outgoing>? Outgoing, DeadLetterInfo? Taken)> DecideAsync(Delivery letter)
        {
            var message = letter.Message;
            seen++;
            if (isRound && message.Headers.GetValueOrDefault(WireHeaders.Swept) as string == id)
            {
                again++; // a broker with priorities may give us an urgent one before the last of the others
                return ([Copy(message, id)], null);
            }

            var info = Letters.Info(message);
            if (Letters.IsCertain(message) && !deaths.Add((info.Id, info.At)))
            {
                return ([], null); // a sweep broke off between the copy and the settlement
            }

            if (await take(letter, info, cancellationToken).ConfigureAwait(false) is not { } taken)
            {
                return (isRound ? [Copy(message, id)] : null, null);
            }

            await pace(cancellationToken).ConfigureAwait(false);
            return (taken, info);
        }

        async Task SettleAsync(Delivery letter, IReadOnlyList<Outgoing> outgoing, DeadLetterInfo? taken)
        {
            try
            {
                await letter.SettleAsync(outgoing).ConfigureAwait(false);
                if (taken is not null)
                {
                    moved(taken);
                }
            }
            catch (Exception e) when (e is JobSettlementException or JobTransportException)
            {
                // The letter stays, and the next sweep sees it again.
            }
        }
    }

    static string? MarkOf(JobMessage message) => message.Body.IsEmpty ? message.Headers.GetValueOrDefault(WireHeaders.Mark) as string : null;

    /// <summary>Marks the end of the queue: RabbitMQ 4 has one end for urgent messages, and one for the others.</summary>
    /// <returns>How many marks.</returns>
    async Task<int> MarkAsync(string id, CancellationToken cancellationToken)
    {
        foreach (var priority in (byte?[])[null, Urgent])
        {
            var mark = new JobMessage
            {
                Headers = new() { [WireHeaders.Mark] = id },
                Body = default,
                CorrelationId = Guid.CreateVersion7(time.GetUtcNow()).ToString(),
                Priority = priority,
            };
            await transport.PublishAsync(new Outgoing(queue, mark), publishTimeout, cancellationToken).ConfigureAwait(false);
        }

        return 2;
    }

    Outgoing Copy(JobMessage message, string sweep) => new(queue, Letters.Copy(message, sweep, Random.Shared.Next()));
}
