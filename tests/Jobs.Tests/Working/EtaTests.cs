using Jobs.Contracts;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>A job that arrives before its time, as Celery sends it: the delay is the worker's to arrange.</summary>
public sealed class EtaTests
{
    [Fact]
    public async Task A_job_that_comes_before_its_eta_goes_back_into_the_transports_delay()
    {
        var task = TestTask.Returning("ok");
        await using var host = await JobsHost.StartAsync(task);
        var eta = host.Clock.GetUtcNow().AddMinutes(5);
        var sent = TestMessage.Of(id: "j", task: "ok", headers: [("eta", WireTime.Format(eta)), ("x-custom", "1")]);
        var expected = sent.Lines();
        await host.SendAsync(sent);
        await host.AckedAsync("j");

        var moved = Assert.Single(host.Published("j"));
        Assert.Equal(("jobs", TimeSpan.FromMinutes(5)), (moved.Queue, moved.Delay));
        Assert.Equal(expected, moved.Message.Lines()); // no attempt is spent
        Assert.Equal(0, task.Runs);
        host.Clock.Advance(TimeSpan.FromMinutes(4.9));
        Assert.Equal(0, task.Runs);
        host.Clock.Advance(TimeSpan.FromMinutes(0.1));
        await host.AckedAsync("j", 2);
        Assert.Equal(1, task.Runs);
    }

    [Fact]
    public async Task What_is_left_of_a_delay_below_its_granularity_is_waited_for()
    {
        var task = TestTask.Returning("ok");
        await using var host = await JobsHost.StartAsync(task);
        await host.SendAsync(TestMessage.Of(id: "j", task: "ok", headers: [("eta", WireTime.Format(host.Clock.GetUtcNow().AddMilliseconds(90)))]));
        await host.AdvanceUntil(() => host.Verbs("j").Any(), TimeSpan.FromMilliseconds(10));

        Assert.Equal(1, task.Runs);
        Assert.True(host.Clock.GetUtcNow() >= new DateTimeOffset(2030, 1, 1, 0, 0, 0, 90, TimeSpan.Zero));
        Assert.Empty(host.Published("j"));
    }

    [Fact]
    public async Task An_eta_that_has_passed_runs_at_once()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        await host.SendAsync(TestMessage.Of(id: "j", task: "ok", headers: [("eta", "2020-01-01T00:00:00+00:00")]));
        await host.AckedAsync("j");
        Assert.Empty(host.Published("j"));
    }

    [Fact]
    public async Task An_eta_farther_away_than_a_transport_can_hold_is_held_in_parts()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        await host.SendAsync(TestMessage.Of(id: "j", task: "ok", headers: [("eta", "9999-12-31T23:59:59.999999+00:00")]));
        await host.AckedAsync("j");

        var moved = Assert.Single(host.Published("j"));
        Assert.InRange(moved.Delay, TimeSpan.FromDays(3000), TimeSpan.FromSeconds((1 << 28) - 1));
        Assert.Equal("9999-12-31T23:59:59.999999+00:00", moved.Message.Text(WireHeaders.Eta));
    }

    [Fact]
    public async Task A_delayed_job_is_not_early_by_the_rounding_of_its_eta()
    {
        var task = TestTask.Returning("ok");
        await using var host = await JobsHost.StartAsync(task);
        host.Clock.Advance(TimeSpan.FromTicks(9)); // below a microsecond, which is what the wire holds
        await host.EnqueueAsync(new Job("ok") { Id = "j", Delay = TimeSpan.FromSeconds(10) });
        host.Clock.Advance(TimeSpan.FromSeconds(10));
        await host.AckedAsync("j");
        Assert.Equal(1, task.Runs);
        Assert.Single(host.Published("j"));
    }
}
