using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Jobs.Dashboard;

/// <summary>An answer to a question, as old as <paramref name="At"/> says.</summary>
/// <param name="Value">The answer; <see langword="default"/> when there is none yet.</param>
/// <param name="Problem">Why there is no newer answer; <see langword="null"/> when there is one.</param>
/// <param name="At">When the answer was given.</param>
readonly record struct Sample<T>(T? Value, string? Problem, DateTimeOffset At)
{
    /// <summary>Whether the question has no answer yet, because it has only just been asked.</summary>
    public bool IsPending => Value is null && Problem is null;
}

/// <summary>
/// Asks each question once for all pages that show it, and only while somebody looks: ten open tabs cost what one costs.
/// </summary>
/// <remarks>
/// 1. A question that was answered within the last second and a half is not asked again.
/// 2. A page waits for a new answer for as long as it wants, and then shows the old one.
/// 3. A page that refreshes itself takes an older answer, because nobody waits for that page. The answer may be as old as
/// the caller says, or a hundred times as old as the time that it took to find, whichever is more. So an open page with a
/// search of five seconds does not search all the time. The quicker one of the last two answers counts, because the first
/// one may have waited for something else.
/// 4. Searches may read for seconds. Only a few of them read at once, however many people search.
/// </remarks>
/// <param name="time">The clock.</param>
/// <param name="logger">Gets what nobody foresaw.</param>
/// <param name="stopping">The application stops: nothing is asked any more.</param>
sealed class Sampler(TimeProvider time, ILogger logger, CancellationToken stopping = default)
{
    const int MostQuestions = 200;
    const int MostSearches = 4;
    const int Thrift = 100;

    static readonly TimeSpan fresh = TimeSpan.FromSeconds(1.5);
    static readonly TimeSpan longestFresh = TimeSpan.FromMinutes(10);
    static readonly TimeSpan deadline = TimeSpan.FromSeconds(15);
    static readonly TimeSpan forgotten = TimeSpan.FromMinutes(1);

    readonly ConcurrentDictionary<object, Entry> entries = [];
    readonly SemaphoreSlim searches = new(MostSearches);
    long sweptAt;

    /// <param name="question">The question, with all that the answer depends on. Questions that are equal are the same.</param>
    /// <param name="ask">Asks it.</param>
    /// <param name="patience">How long the caller waits for a new answer.</param>
    /// <param name="cancellationToken">Ends the wait; the question stays asked.</param>
    /// <param name="old">
    /// An answer of this age is new enough, because nobody waits; <see langword="null"/> when a reader waits.
    /// </param>
    public async ValueTask<Sample<T>> AskAsync<T>(
        object question, Func<CancellationToken, Task<T>> ask, TimeSpan patience, CancellationToken cancellationToken, TimeSpan? old = null)
        where T : class
    {
        Forget();
        var entry = entries.GetOrAdd(question, static _ => new());
        Task running;
        lock (entry)
        {
            entry.AskedAt = time.GetUtcNow();
            if (entry.Last is { } last && time.GetUtcNow() - last.At < (old is { } age ? Longer(age, entry.Freshness) : fresh))
            {
                return Read<T>(last);
            }

            if (entry.Running is not { IsCompleted: false })
            {
                using (ExecutionContext.SuppressFlow()) // it serves others too
                {
                    entry.Running = Task.Run(() => RunAsync(entry, ask), CancellationToken.None);
                }
            }

            running = entry.Running;
        }

        try
        {
            await running.WaitAsync(patience, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
        }

        lock (entry)
        {
            return entry.Last is { } last ? Read<T>(last) : default;
        }
    }

    /// <summary>Waits for a turn, and searches.</summary>
    public async Task<T> InTurnAsync<T>(Func<CancellationToken, Task<T>> search, CancellationToken cancellationToken)
    {
        await searches.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await search(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            searches.Release();
        }
    }

    /// <summary>Makes the next page ask everything anew: the visitor has changed something.</summary>
    public void Expire() => entries.Clear();

    async Task RunAsync<T>(Entry entry, Func<CancellationToken, Task<T>> ask)
        where T : class
    {
        using var late = new CancellationTokenSource(deadline, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stopping);
        object? value = null;
        string? problem = null;
        var start = time.GetTimestamp();
        try
        {
            value = await ask(limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is JobTransportException or NotSupportedException)
        {
            problem = e.Message;
        }
        catch (OperationCanceledException)
        {
            problem = stopping.IsCancellationRequested ? "The web application stops." : $"There was no answer within {deadline.TotalSeconds} seconds.";
        }
        catch (Exception e)
        {
            Log.QuestionFailed(logger, e);
            problem = "This could not be found out; the log of the web application says why.";
        }

        lock (entry)
        {
            entry.Last = new(value ?? entry.Last?.Value, problem, time.GetUtcNow());
            entry.Took(problem is null ? time.GetElapsedTime(start) : TimeSpan.Zero);
        }
    }

    static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;

    static Sample<T> Read<T>(Answer answer) => new((T?)answer.Value, answer.Problem, answer.At);

    void Forget()
    {
        // An answer can be a page of jobs with their arguments and stacks: no memory for what nobody looks at any more.
        var now = time.GetUtcNow();
        if (entries.Count <= MostQuestions && now.UtcTicks - Interlocked.Read(ref sweptAt) < forgotten.Ticks)
        {
            return;
        }

        Interlocked.Exchange(ref sweptAt, now.UtcTicks);
        foreach (var (question, entry) in entries)
        {
            if (now - entry.AskedAt > forgotten)
            {
                entries.TryRemove(question, out _);
            }
        }

        if (entries.Count > MostQuestions)
        {
            entries.Clear(); // somebody asks for everything there is
        }
    }

    sealed record Answer(object? Value, string? Problem, DateTimeOffset At);

    sealed class Entry
    {
        TimeSpan last; // how long the last answer took

        public Task? Running { get; set; }

        public Answer? Last { get; set; }

        public DateTimeOffset AskedAt { get; set; }

        /// <summary>For how long an answer counts for those who take an old one.</summary>
        public TimeSpan Freshness { get; private set; } = fresh;

        public void Took(TimeSpan time)
        {
            var thrifty = Thrift * (time < last ? time : last);
            last = time;
            Freshness = thrifty < fresh ? fresh : thrifty < longestFresh ? thrifty : longestFresh;
        }
    }
}
