namespace Jobs.Benchmarks;

/// <summary>Jobs delayed by an hour wait in the broker: the worker's memory must not know of them.</summary>
static class DelayedMemory
{
    public static async Task RunAsync(BenchmarkOptions options)
    {
        await using var jobs = await JobsUnderTest.StartAsync(options);
        var text = new string('x', 400);
        await jobs.Dispatcher.EnqueueManyAsync(Enumerable.Range(0, 1_000).Select(_ => BenchJobs.Noop(text))); // everything loaded and connected
        var before = Settled();
        Console.WriteLine($"{"delayed",10} {"managed heap",14} {"working set",12}");
        Console.WriteLine($"{0,10:n0} {before / 1024.0 / 1024,11:0.0} MB {Environment.WorkingSet / 1024 / 1024,9} MB");
        const int Step = 20_000;
        for (var sent = 0; sent < options.Jobs; sent += Step)
        {
            await jobs.Dispatcher.EnqueueManyAsync(Enumerable.Range(0, Step).Select(_ => BenchJobs.Noop(text) with { Delay = TimeSpan.FromHours(1) }));
            Console.WriteLine($"{sent + Step,10:n0} {Settled() / 1024.0 / 1024,11:0.0} MB {Environment.WorkingSet / 1024 / 1024,9} MB");
        }
    }

    static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return GC.GetTotalMemory(forceFullCollection: true);
    }
}
