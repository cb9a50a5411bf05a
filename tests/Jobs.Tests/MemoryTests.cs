using Jobs.Inspection;
using Jobs.Transport;
using Xunit;
using static Jobs.Tests.Inspection.Events;

namespace Jobs.Tests;

/// <summary>How much memory things take. The runtime counts for the whole process, so these tests run alone.</summary>
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
[Collection(nameof(MemoryTests))]
public sealed class MemoryTests(ITestOutputHelper output)
{
    /// <summary>The estimate that bounds the memory is not far from the truth.</summary>
    [Fact]
    public void A_job_takes_about_as_much_memory_as_the_index_believes()
    {
        const int Count = 20_000;
        string[] entries = [.. Enumerable.Range(0, Count).SelectMany(i => new[] { Received(Id(i), i), Started(Id(i), i), i % 10 == 0 ? Failed(Id(i), i) : Succeeded(Id(i), i) })];
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var full = new JobIndex(Count, long.MaxValue).Take(entries);
        var taken = GC.GetTotalMemory(forceFullCollection: true) - before;
        GC.KeepAlive(entries);
        output.WriteLine($"{taken / Count} bytes a job, estimated {full.Bytes / Count}");
        Assert.InRange(taken / (double)full.Bytes, 0.5, 1.5);
    }

    [Fact]
    public void A_hundred_thousand_calls_that_wait_cost_little()
    {
        var book = new StatusBook(TimeProvider.System, () => TimeSpan.FromDays(1), () => { }); // its timers are those of a program
        var ids = Enumerable.Range(0, 100_000).Select(i => $"{i:x8}-0000-7000-8000-000000000000").ToArray();
        var calls = new List<Task>(ids.Length);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        foreach (var id in ids)
        {
            book.Expect(id);
        }

        var expected = Each();
        calls.AddRange(ids.Select(id => book.WaitAsync(id, TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken).AsTask()));
        var waiting = Each();

        output.WriteLine($"{expected:0} bytes for each job whose result is asked for, {waiting:0} when a call waits for it; without the id");
        Assert.Equal(ids.Length, book.Count);
        Assert.InRange(waiting, 1, 2_000);
        Assert.DoesNotContain(calls, call => call.IsCompleted);
        GC.KeepAlive(book);

        double Each() => (GC.GetTotalMemory(forceFullCollection: true) - before) / (double)ids.Length;
    }
}
