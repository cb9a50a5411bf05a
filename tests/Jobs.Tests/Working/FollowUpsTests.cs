using Jobs.Contracts;
using Jobs.Transport;
using Jobs.Wire;
using Jobs.Working;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>What is written for each outcome; and what takes the place of a write that is refused for good.</summary>
public sealed class FollowUpsTests
{
    static readonly DateTimeOffset at = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);

    readonly FollowUps followUps = new(Options.Create(new JobsOptions()), new(new([]), Options.Create(new JobsOptions())));

    [Fact]
    public void Success_and_expiry_leave_nothing_behind()
    {
        Assert.Empty(followUps.Of(TestAttempt.Of(TestMessage.Of(), Outcome.Succeeded.WithoutResult)));
        Assert.Empty(followUps.Of(TestAttempt.Of(TestMessage.Of(), new Outcome.Expired(at, at))));
    }

    [Fact]
    public void The_same_attempt_gives_the_same_messages()
    {
        var attempt = TestAttempt.Of(TestMessage.Of(id: "j"), new Outcome.Retry(TimeSpan.FromSeconds(7), at, 3, new TimeoutException()));
        var (first, second) = (Assert.Single(followUps.Of(attempt)), Assert.Single(followUps.Of(attempt)));

        Assert.Equal(("jobs", TimeSpan.FromSeconds(7), OutgoingKind.Work), (first.Queue, first.Delay, first.Kind));
        Assert.Equal((1, at), (first.Message.Headers.Retries, first.Message.Headers.Eta));
        Assert.Equal(first.Message.Lines(), second.Message.Lines());
        Assert.Equal(first.Message.Headers[WireHeaders.Copy], second.Message.Headers[WireHeaders.Copy]);
    }

    [Fact]
    public void A_postponed_job_is_the_same_job_later()
    {
        var message = TestMessage.Of(id: "j", headers: [("eta", WireTime.Format(at)), ("retries", 2)]);
        var copy = Assert.Single(followUps.Of(TestAttempt.Of(message, new Outcome.Postponed(TimeSpan.FromHours(1)))));

        Assert.Equal(("jobs", TimeSpan.FromHours(1)), (copy.Queue, copy.Delay));
        Assert.Equal(message.Lines(), copy.Message.Lines());
    }

    [Fact]
    public void An_interrupted_attempt_is_given_back_and_nothing_is_written_for_it() =>
        Assert.Throws<InvalidOperationException>(() => followUps.Of(TestAttempt.Of(TestMessage.Of(), Outcome.Interrupted.Instance)));

    [Fact]
    public void A_refused_retry_copy_becomes_a_dead_letter_that_becomes_a_brief_one_then_a_bare_one_and_then_there_is_an_end()
    {
        var attempt = TestAttempt.Of(TestMessage.Of(id: "j"), new Outcome.Retry(default, at, 3, new TimeoutException()));

        var letters = Instead(followUps.Of(attempt), new string('x', 500));
        Assert.Equal(["jobs.dead", "keeper.jobs.dead"], letters!.Select(outgoing => outgoing.Queue));
        var letter = DeadLetter.Read(letters![0].Message)!;
        Assert.Equal(("jobs", 1), (letter.Queue, letter.Attempts));
        Assert.Contains("xxx", letter.Reason, StringComparison.Ordinal);

        var brief = Instead(letters, "again");
        Assert.True(DeadLetter.Read(Assert.Single(brief!).Message)!.Reason.Length < letter.Reason.Length);

        // No larger than the message came, so that whoever took that takes this.
        var bare = Instead(brief!, "and again");
        Assert.Equal("jobs.dead", Assert.Single(bare!).Queue);
        Assert.Equal(attempt.Message.Lines(), bare![0].Message.Lines());
        Assert.False(bare[0].Message.Headers.ContainsKey(WireHeaders.Copy));
        Assert.Null(Instead(bare, "for ever"));

        IReadOnlyList<Outgoing>? Instead(IReadOnlyList<Outgoing> of, string why) => followUps.InsteadOf(of, Refused(why), attempt, at);
    }

    [Fact]
    public void A_refused_reply_has_no_substitute_because_its_job_has_succeeded()
    {
        var attempt = TestAttempt.Of(TestMessage.Of(), Outcome.Succeeded.WithoutResult);
        Assert.Equal([], followUps.InsteadOf([new("caller", TestMessage.Of(), Kind: OutgoingKind.Reply)], Refused("gone"), attempt, at)!);
    }

    static Dictionary<int, Exception> Refused(string why) => new() { [0] = new JobPublishException("j", maybeEnqueued: false, isTransient: false, why) };
}
