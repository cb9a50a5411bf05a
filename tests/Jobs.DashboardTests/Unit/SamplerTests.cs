using System.Globalization;
using Jobs.Contracts;
using Jobs.Dashboard;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Jobs.DashboardTests.Unit;

/// <summary>Each question is asked once for all who want to know.</summary>
public sealed class SamplerTests
{
    static readonly TimeSpan patience = TimeSpan.FromSeconds(5);

    readonly FakeTimeProvider time = new();
    readonly Sampler sampler;
    int asked;

    public SamplerTests() => sampler = new(time, NullLogger.Instance);

    [Fact]
    public async Task Ten_who_ask_at_once_cost_one_question()
    {
        var answer = new TaskCompletionSource<string>();
        var asking = Enumerable.Range(0, 10).Select(_ => AskAsync(() => answer.Task)).ToList();

        answer.SetResult("yes");

        Assert.All(await Task.WhenAll(asking).Soon(), sample => Assert.Equal("yes", sample.Value));
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task An_answer_counts_for_a_second_and_a_half_and_nothing_is_asked_while_nobody_looks()
    {
        await AskAsync(() => Task.FromResult("one")).Soon();
        time.Advance(TimeSpan.FromSeconds(1.4));
        Assert.Equal("one", (await AskAsync(() => Task.FromResult("two")).Soon()).Value);
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(1, asked);

        Assert.Equal("two", (await AskAsync(() => Task.FromResult("two")).Soon()).Value);
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task Who_has_no_patience_left_gets_the_old_answer_and_later_the_new_one()
    {
        await AskAsync(() => Task.FromResult("old")).Soon();
        time.Advance(TimeSpan.FromSeconds(2));
        var answer = new TaskCompletionSource<string>();
        var asking = AskAsync(() => answer.Task);
        await Wait.Until(() => asked == 2);
        time.Advance(patience);
        Assert.Equal("old", (await asking.Soon()).Value);

        answer.SetResult("new");

        await Wait.Until(async () => (await AskAsync(() => answer.Task)).Value == "new");
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task A_failure_is_said_beside_the_last_answer()
    {
        await AskAsync(() => Task.FromResult("known")).Soon();
        time.Advance(TimeSpan.FromSeconds(2));

        var sample = await AskAsync(() => throw new JobTransportException("The broker is away.")).Soon();

        Assert.Equal(("known", "The broker is away."), (sample.Value, sample.Problem));
    }

    [Fact]
    public async Task A_question_that_nobody_can_answer_ends_after_fifteen_seconds()
    {
        var asking = sampler.AskAsync<string>("q", NeverAsync, TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken).AsTask();
        await Wait.Until(() => asked == 1);

        time.Advance(TimeSpan.FromSeconds(15));

        Assert.Contains("15 seconds", (await asking.Soon()).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_an_action_everything_is_asked_anew()
    {
        await AskAsync(() => Task.FromResult("before")).Soon();

        sampler.Expire();

        Assert.Equal("after", (await AskAsync(() => Task.FromResult("after")).Soon()).Value);
    }

    [Fact]
    public async Task An_answer_that_nobody_has_looked_at_for_a_minute_is_forgotten()
    {
        await AskAsync(() => Task.FromResult("old")).Soon();
        time.Advance(TimeSpan.FromMinutes(2));
        var asking = AskAsync(() => new TaskCompletionSource<string>().Task);
        await Wait.Until(() => asked == 2);

        time.Advance(patience);

        Assert.True((await asking.Soon()).IsPending);
    }

    [Fact]
    public async Task An_answer_that_takes_long_is_not_asked_for_again_by_a_page_that_refreshes_itself()
    {
        await AskSlowlyAsync("first").Soon();
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal("second", (await AskSlowlyAsync("second", TimeSpan.Zero).Soon()).Value); // the first one may have waited for something

        for (var i = 0; i < 3; i++)
        {
            time.Advance(TimeSpan.FromSeconds(33));
            Assert.Equal("second", (await AskSlowlyAsync("third", TimeSpan.Zero).Soon()).Value);
        }

        Assert.Equal("third", (await AskSlowlyAsync("third").Soon()).Value); // a reader waits for this one
        time.Advance(TimeSpan.FromSeconds(50));
        Assert.Equal("third", (await AskSlowlyAsync("fourth", TimeSpan.Zero).Soon()).Value);
        time.Advance(TimeSpan.FromSeconds(51));
        Assert.Equal("fourth", (await AskSlowlyAsync("fourth", TimeSpan.Zero).Soon()).Value);
    }

    [Fact]
    public async Task A_page_that_refreshes_itself_takes_an_answer_as_old_as_it_says_and_a_reader_gets_a_new_one()
    {
        var old = TimeSpan.FromSeconds(3);
        Assert.Equal("one", (await AskAsync(() => Task.FromResult("one"), old).Soon()).Value);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal("one", (await AskAsync(() => Task.FromResult("two"), old).Soon()).Value);
        Assert.Equal("two", (await AskAsync(() => Task.FromResult("two")).Soon()).Value);
        time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal("three", (await AskAsync(() => Task.FromResult("three"), old).Soon()).Value);
    }

    [Fact]
    public async Task An_answer_that_is_found_at_once_is_as_new_on_a_page_that_refreshes_itself()
    {
        for (var i = 0; i < 3; i++)
        {
            var number = i.ToString(CultureInfo.InvariantCulture);
            Assert.Equal(number, (await AskAsync(() => Task.FromResult(number), TimeSpan.Zero).Soon()).Value);
            time.Advance(TimeSpan.FromSeconds(2));
        }
    }

    [Fact]
    public async Task Of_ten_searches_at_once_four_read_and_the_others_wait_for_their_turn()
    {
        var (release, reading, most) = (new SemaphoreSlim(0), 0, 0);
        var searches = Enumerable.Range(0, 10).Select(number => sampler.AskAsync(
            number, token => sampler.InTurnAsync(ReadAsync, token), patience, TestContext.Current.CancellationToken).AsTask()).ToList();

        for (var found = 0; found < 10; found++)
        {
            await Wait.Until(() => Volatile.Read(ref reading) == Math.Min(4, 10 - found));
            release.Release();
            await Wait.Until(() => searches.Count(search => search.IsCompleted) == found + 1);
        }

        Assert.All(await Task.WhenAll(searches).Soon(), sample => Assert.Equal("found", sample.Value));
        Assert.Equal(4, most);

        async Task<string> ReadAsync(CancellationToken token)
        {
            lock (release)
            {
                most = Math.Max(most, ++reading);
            }

            await release.WaitAsync(token);
            lock (release)
            {
                reading--;
            }

            return "found";
        }
    }

    [Fact]
    public async Task When_the_application_stops_a_question_ends_and_the_log_has_no_line()
    {
        using var stopping = new CancellationTokenSource();
        var log = new LogLines();
        var ending = new Sampler(time, log, stopping.Token);
        var asking = ending.AskAsync<string>("q", NeverAsync, TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken).AsTask();
        await Wait.Until(() => asked == 1);

        await stopping.CancelAsync();

        Assert.Equal("The web application stops.", (await asking.Soon()).Problem);
        Assert.Empty(log.All);
    }

    // Takes a second.
    Task<Sample<string>> AskSlowlyAsync(string answer, TimeSpan? old = null) => AskAsync(
        () =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return Task.FromResult(answer);
        },
        old);

    async Task<string> NeverAsync(CancellationToken token)
    {
        Interlocked.Increment(ref asked);
        await Task.Delay(Timeout.InfiniteTimeSpan, time, token);
        return "";
    }

    Task<Sample<string>> AskAsync(Func<Task<string>> ask, TimeSpan? old = null) => sampler.AskAsync(
        "q",
        _ =>
        {
            Interlocked.Increment(ref asked);
            return ask();
        },
        patience,
        TestContext.Current.CancellationToken,
        old).AsTask();
}
