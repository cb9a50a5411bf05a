using Jobs.Contracts;
using Jobs.Transport;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>What a process keeps of the results that it asked for: bounded, and never confused.</summary>
public sealed class StatusBookTests
{
    readonly FakeTimeProvider clock = new();
    int said;

    StatusBook Book() => new(clock, () => TimeSpan.FromDays(1), () => said++);

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Only_expected_news_are_kept_where_others_can_send_news_too()
    {
        var book = Book();
        book.Tell(Ended("stranger"), onlyExpected: true);
        Assert.Null(book.Read("stranger"));
        book.Tell(Ended("stranger"), onlyExpected: false);
        Assert.NotNull(book.Read("stranger"));
    }

    [Fact]
    public void The_oldest_values_go_when_they_are_larger_than_64_MiB_together_and_it_is_said_if_nobody_had_read_them()
    {
        var book = Book();
        for (var i = 0; i < 70; i++)
        {
            book.Expect($"{i}");
            book.Tell(Ended($"{i}", bytes: 1 << 20), onlyExpected: true);
            if (i == 0)
            {
                book.Read("0");
            }
        }

        Assert.Equal([true, true, true, true, true, true, false], new[] { 0, 1, 2, 3, 4, 5, 6 }.Select(i => book.Read($"{i}")!.IsDropped));
        Assert.Equal(5, said); // the first had been read
        Assert.Equal(JobState.Succeeded, book.Read("3")!.State); // how it ended is still known
    }

    [Fact]
    public void A_result_is_forgotten_a_day_after_the_end_and_a_job_that_has_not_ended_is_not()
    {
        var book = Book();
        book.Expect("ends");
        book.Expect("runs");
        clock.Advance(TimeSpan.FromHours(30));
        book.Tell(Ended("ends"), onlyExpected: true);
        clock.Advance(TimeSpan.FromHours(23));
        Assert.NotNull(book.Read("ends"));
        clock.Advance(TimeSpan.FromHours(2));

        Assert.Null(book.Read("ends"));
        Assert.Equal(JobState.Queued, book.Read("runs")!.State);
    }

    [Fact]
    public async Task A_wait_that_is_given_up_or_whose_time_is_over_leaves_nothing_behind()
    {
        var book = Book();
        using var cancellation = new CancellationTokenSource();
        var (cancelled, late) = (book.WaitAsync("a", Timeout.InfiniteTimeSpan, cancellation.Token).AsTask(), book.WaitAsync("b", TimeSpan.FromSeconds(1), Cancellation).AsTask());
        await cancellation.CancelAsync();
        clock.Advance(TimeSpan.FromSeconds(2));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Null(await late.Soon());
        Assert.Equal(0, book.Count);
    }

    [Fact]
    public async Task A_second_job_of_an_id_is_another_job()
    {
        var book = Book();
        book.Expect("j");
        book.Tell(Ended("j"), onlyExpected: true);
        book.Expect("j");
        Assert.Equal(JobState.Queued, book.Read("j")!.State);
        var waiting = book.WaitAsync("j", Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        Assert.False(waiting.IsCompleted);

        book.Tell(Ended("j"), onlyExpected: true);

        Assert.True((await waiting.Soon())!.HasEnded);
    }

    [Fact]
    public async Task Everybody_who_waits_is_told_that_no_news_will_come_and_later_calls_are_too()
    {
        var book = Book();
        book.Expect("a");
        book.Expect("b");
        book.Tell(Ended("b"), onlyExpected: true);
        var waiting = book.WaitAsync("a", Timeout.InfiniteTimeSpan, Cancellation).AsTask();

        book.Lose(() => new IOException("gone"));

        await Assert.ThrowsAsync<IOException>(() => waiting.Soon());
        await Assert.ThrowsAsync<IOException>(() => book.WaitAsync("a", Timeout.InfiniteTimeSpan, Cancellation).AsTask());
        Assert.True((await book.WaitAsync("b", Timeout.InfiniteTimeSpan, Cancellation))!.HasEnded); // it had come before
        book.Expect("a");
        Assert.False(book.WaitAsync("a", Timeout.InfiniteTimeSpan, Cancellation).IsCompleted);
    }

    [Fact]
    public async Task Jobs_of_which_no_news_will_come_are_forgotten_in_the_end()
    {
        var book = Book();
        book.Expect("a");
        var stranger = book.WaitAsync("not from here", Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        book.Lose(() => new IOException("gone"));
        await Assert.ThrowsAsync<IOException>(() => stranger.Soon());
        Assert.Equal(1, book.Count); // of the job that nobody here enqueued, nothing is kept
        clock.Advance(TimeSpan.FromHours(23));
        await Assert.ThrowsAsync<IOException>(() => book.WaitAsync("a", Timeout.InfiniteTimeSpan, Cancellation).AsTask());

        clock.Advance(TimeSpan.FromHours(2));

        Assert.Null(book.Read("a"));
        Assert.Equal(0, book.Count);
        Assert.Equal(0, said); // no value was dropped
    }

    static JobStatus Ended(string id, int bytes = 1) => new() { Id = id, State = JobState.Succeeded, Result = new byte[bytes] };
}
