using CsCheck;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Contracts.RandomCalls;

namespace Jobs.BrokerTests.Publishing;

/// <summary>As in <c>Jobs.Tests</c>, over a broker and once more as a retry.</summary>
public sealed class PropertyTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int Calls = 5_000;
    const int Batch = 250;

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Arguments_of_random_signatures_arrive_equal_after_a_retry_or_are_refused()
    {
        var tasks = RandomTasks.Compile(seed: 20261127, count: 300, failures: 1);
        var host = await bench.StartedAsync(bench.Host(more: jobs => tasks.AddTo(jobs).AddWorker(worker => worker.Concurrency = 16)));
        var arrived = 0;
        for (var i = 0; i < Calls / Batch; i++)
        {
            arrived += await tasks.ArriveEqualAsync(Bench.Jobs(host), tasks.Calls.Array[Batch].Single());
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{arrived} of {Calls} arrived equal, the others were refused.");
        Assert.InRange(arrived, Calls / 2, Calls - 1);
    }
}
