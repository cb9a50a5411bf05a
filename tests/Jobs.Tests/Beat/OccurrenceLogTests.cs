using Jobs.Beat;
using Jobs.Contracts;
using Jobs.Tests.Working;
using Jobs.Transport;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Jobs.Tests.Beat;

/// <summary>What is recorded of occurrences, and what a schedule waits for when it cannot enqueue.</summary>
public sealed class OccurrenceLogTests
{
    [Fact]
    public async Task Occurrences_that_cannot_be_recorded_are_said_with_the_reason()
    {
        using var stop = new CancellationTokenSource();
        using var logs = new CapturedLogs();
        var clock = new FakeTimeProvider();
        var occurrences = new OccurrenceLog(new RefusingJournal(), new BeatState(), clock, logs.CreateLogger("beat"));
        var running = occurrences.RunAsync(stop.Token);
        occurrences.Dealt("nightly", new(clock.GetUtcNow(), "timing"));

        await Wait.Until(() => logs.Lines.Any(l => l.EventId == 309));
        Assert.Equal("no journal today", logs.Lines.Single(l => l.EventId == 309).Exception?.Message);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Theory]
    [InlineData(0, 0.0, 1.0)]
    [InlineData(0, 0.5, 0.75)]
    [InlineData(2, 0.0, 4.0)]
    [InlineData(9, 0.0, 15.0)]
    [InlineData(2_000, 0.5, 11.25)]
    public void A_schedule_that_cannot_enqueue_waits_longer_each_time_less_a_random_part(int failures, double random, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), ScheduleLoop.BackOff(failures, random));

    sealed class RefusingJournal : JobJournal
    {
        public override ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken) => throw new InvalidOperationException("no journal today");

        public override Task<JournalReader> LeadAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task<ReadOnlyMemory<byte>?> AskAsync(ReadOnlyMemory<byte> question, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
