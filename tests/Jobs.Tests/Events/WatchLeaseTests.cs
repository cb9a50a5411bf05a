using Jobs.Events;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Jobs.Tests.Events;

/// <summary>How long a viewer is served after it has asked.</summary>
public sealed class WatchLeaseTests
{
    readonly FakeTimeProvider time = new(new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    readonly LamportClock clock = new();
    readonly WatchLease lease;

    public WatchLeaseTests() => lease = new(clock, time);

    [Fact]
    public void A_viewer_is_served_until_its_time_is_over_and_longer_when_it_asks_again()
    {
        Assert.False(lease.IsWatched);
        Assert.True(Ask(10));
        Pass(9);
        Assert.True(lease.IsWatched);
        Assert.True(Ask(10));
        Pass(9);
        Assert.True(lease.IsWatched);
        Pass(2);
        Assert.False(lease.IsWatched);
    }

    [Fact]
    public void Nobody_is_served_for_more_than_30_seconds_and_a_short_lease_cuts_no_longer_one()
    {
        Ask(1_000_000);
        Ask(1);
        Pass(29);
        Assert.True(lease.IsWatched);
        Pass(2);
        Assert.False(lease.IsWatched);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"seconds":"ten"}""")]
    [InlineData("""{"seconds":-1}""")]
    [InlineData("""{"seconds":0,"clock":"x"}""")]
    public void What_is_no_question_is_passed_over(string message)
    {
        Assert.False(lease.Take(System.Text.Encoding.UTF8.GetBytes(message)));
        Assert.False(lease.IsWatched);
    }

    [Fact]
    public void The_clock_of_events_runs_ahead_of_what_was_heard()
    {
        for (var i = 0; i < 5; i++)
        {
            clock.Next();
        }

        lease.Take("""{"seconds":1,"clock":40}"""u8.ToArray());
        Assert.Equal(42, clock.Next());
        lease.Take("""{"seconds":1,"clock":3}"""u8.ToArray());
        Assert.Equal(44, clock.Next());
        lease.Take("""{"seconds":1,"clock":9223372036854775807}"""u8.ToArray()); // nobody can have sent so many
        Assert.Equal(45, clock.Next());
    }

    bool Ask(double seconds) => lease.Take(WatchLease.Ask("viewer", new(), time.GetUtcNow(), TimeSpan.FromSeconds(seconds), all: true).Body);

    void Pass(int seconds)
    {
        time.Advance(TimeSpan.FromSeconds(seconds));
        lease.Look();
    }
}
