namespace Jobs.Transport;

/// <summary>
/// Reads what a journal holds, from any process: the leader answers. When nobody leads, this process leads for a moment
/// and reads the records itself.
/// </summary>
static class JournalReading
{
    static readonly TimeSpan pause = TimeSpan.FromMilliseconds(100);

    /// <param name="journal">Asks; stands by for nothing.</param>
    /// <param name="open">
    /// Opens another object of the same journal, which leads for a moment and is then disposed. If <paramref
    /// name="journal"/> led instead, the transport could make this process the leader after the call, and nobody here
    /// would take the term.
    /// </param>
    /// <param name="question">The question.</param>
    /// <param name="answered">Reads the answer.</param>
    /// <param name="leading">Reads the records, when nobody leads.</param>
    /// <param name="timeout">After this the call fails.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="JobTransportException">Nothing could be read within the time-out.</exception>
    public static async Task<T> ReadAsync<T>(
        JobJournal journal,
        Func<JobJournal> open,
        ReadOnlyMemory<byte> question,
        Func<ReadOnlyMemory<byte>, T> answered,
        Func<JournalReader, T> leading,
        TimeSpan timeout,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        if (await journal.AskAsync(question, cancellationToken).ConfigureAwait(false) is { } first) // within seconds, by itself
        {
            return answered(first);
        }

        using var deadline = new CancellationTokenSource(timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            return await RaceAsync(both).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new JobTransportException(
                $"The journal could not be read within {timeout}: nobody who leads it answered, and this process could not read it. "
                + "Can this process reach the broker or the file?",
                isTransient: true);
        }

        async Task<T> RaceAsync(CancellationTokenSource stop)
        {
            var (asking, own) = (AskAgainAsync(stop.Token), LeadAsync(stop.Token));
            try
            {
                return await (await Task.WhenAny(asking, own).ConfigureAwait(false)).ConfigureAwait(false);
            }
            finally
            {
                await stop.CancelAsync().ConfigureAwait(false);
                await ((Task)Task.WhenAll(asking, own)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        // Again and again, because a leader may die before it answers.
        async Task<T> AskAgainAsync(CancellationToken stop)
        {
            while (true)
            {
                await Task.Delay(pause, time, stop).ConfigureAwait(false);
                if (await journal.AskAsync(question, stop).ConfigureAwait(false) is { } answer)
                {
                    return answered(answer);
                }
            }
        }

        async Task<T> LeadAsync(CancellationToken stop)
        {
            await using var another = open();
            await using var reader = await another.LeadAsync(stop).ConfigureAwait(false);
            return reader.HasReadAll ? leading(reader) : throw new JobTransportException(
                $"The journal has more than {reader.Backlog.Count:N0} records, because nobody has led it for long. Start a process with a worker or a beat: "
                + "it shortens the journal.",
                isTransient: false);
        }
    }
}
