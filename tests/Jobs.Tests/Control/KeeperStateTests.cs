using Jobs.Control;
using Xunit;

namespace Jobs.Tests.Control;

/// <summary>What the keeper knows of dead letters while they come and go.</summary>
public sealed class KeeperStateTests
{
    static readonly DateTimeOffset death = DateTimeOffset.UnixEpoch.AddTicks(123_456_789);

    readonly KeeperState state = new(TimeProvider.System);

    // A job that was sent back may die again before the keeper removes its first letter. Both letters have one id.
    [Fact]
    public void A_letter_whose_job_died_again_before_the_first_letter_was_removed_stays()
    {
        Dies(1, death);
        Dies(2, death.AddMilliseconds(5));

        var (handles, removals) = state.Removing([Letter(death)]);

        Assert.Equal(1, state.Letters);
        Assert.Empty(handles);
        Assert.Empty(removals);
    }

    // The letter in the queue has the time of death in microseconds, and the record in ticks of 100 ns.
    [Fact]
    public void A_letter_is_removed_though_its_message_has_a_time_that_is_cut()
    {
        Dies(1, death);

        var (handles, _) = state.Removing([Letter(death.AddTicks(-9))]);

        Assert.Equal(0, state.Letters);
        Assert.Equal([1L], handles);
    }

    void Dies(long handle, DateTimeOffset at)
    {
        state.Read(new(handle, KeeperRecord.Write(KeeperEntry.Of(Letter(at)))));
        state.CaughtUp();
    }

    static DeadLetterInfo Letter(DateTimeOffset at) => new() { Id = "dies", Reason = "x", At = at };
}
