using System.Globalization;
using Jobs.Control;
using Jobs.Transport;
using Jobs.Wire;
using Xunit;

namespace Jobs.Contracts;

/// <summary>Sweeps through more dead letters than one subscription holds.</summary>
public abstract partial class TransportContract
{
    const int Dead = 60;

    [Fact]
    public async Task A_sweep_through_more_letters_than_it_can_hold_sees_each_once_and_keeps_the_order_of_those_that_stay()
    {
        var queue = await DeadAsync();

        for (var round = 0; round < 2; round++)
        {
            var (seen, moved, sawAll) = await SweepAsync(Transport, queue, id => round == 0 && int.Parse(id, CultureInfo.InvariantCulture) % 7 == 0);

            Assert.True(sawAll);
            Assert.Equal(Expected(id => round == 0 || id % 7 != 0), seen);
            Assert.Equal(round == 0 ? Expected(id => id % 7 == 0) : [], moved.Order());
        }

        Assert.Equal(Expected(id => id % 7 != 0), await DrainAsync(queue, Dead - 9));
        Assert.Equal(0, await Transport.CountAsync(queue, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_sweep_that_breaks_off_in_the_middle_loses_no_letter_and_the_next_one_takes_each_once()
    {
        var queue = await DeadAsync();
        var faulty = new FaultyTransport(Transport)
        {
            // The copy of this letter and of those behind it is written, and then the process is gone.
            Fault = (step, at, message) => step == FaultStep.Ack && at == queue && message.CorrelationId is { } id && string.CompareOrdinal(id, "025") >= 0
                ? new JobTransportException("gone", isTransient: true)
                : null,
        };
        await Assert.ThrowsAsync<OperationCanceledException>(
            () => SweepAsync(faulty, queue, id => id == "030" ? throw new OperationCanceledException() : false));
        await Wait.Until(async () => await Transport.CountAsync(queue, TestContext.Current.CancellationToken) >= Dead);

        var (seen, moved, sawAll) = await SweepAsync(Transport, queue, _ => true);

        Assert.True(sawAll);
        Assert.Equal(Expected(_ => true), seen.Order());
        Assert.Equal(Expected(_ => true), moved.Order());
        await Wait.Until(async () => await Transport.CountAsync(queue, TestContext.Current.CancellationToken) == 0);
    }

    async Task<string> DeadAsync()
    {
        var queue = harness.NewQueue();
        for (var i = 0; i < Dead; i++)
        {
            var letter = new DeadLetter { Reason = "x", At = DateTimeOffset.UnixEpoch.AddSeconds(i), Queue = "q" };
            await PublishAsync(queue, letter.Write(TestMessage.Of($"{i:000}"), i));
        }

        await Wait.Until(async () => await Transport.CountAsync(queue, TestContext.Current.CancellationToken) == Dead);
        return queue;
    }

    static async Task<(List<string> Seen, List<string> Moved, bool SawAll)> SweepAsync(JobTransport transport, string queue, Func<string, bool> takes)
    {
        List<string> seen = [], moved = [];
        var sawAll = await new LetterSweep(transport, queue, TimeProvider.System) { Most = 20, Portion = 8 }.RunAsync(
            (_, info, _) =>
            {
                seen.Add(info.Id);
                return new(takes(info.Id) ? [] : (IReadOnlyList<Outgoing>?)null);
            },
            letter =>
            {
                lock (moved)
                {
                    moved.Add(letter.Id);
                }
            },
            _ => Task.CompletedTask,
            0,
            TestContext.Current.CancellationToken).Soon();
        return (seen, moved, sawAll);
    }

    static IEnumerable<string> Expected(Func<int, bool> which) => Enumerable.Range(0, Dead).Where(which).Select(id => $"{id:000}");
}
