using System.Diagnostics;
using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>Enqueue and run N no-op jobs, A B A B: the reference loop and Jobs in the same run, on the same broker.</summary>
static class Throughput
{
    const int ArgumentLength = 400;

    sealed record Result(string Name, double EnqueuesPerSecond, double DonePerSecond, double CpuMicroseconds, double Bytes);

    public static async Task RunAsync(BenchmarkOptions options)
    {
        await using var reference = await Reference.StartAsync(options.Broker);
        await using var jobs = await JobsUnderTest.StartAsync(options.Broker);
        var text = new string('x', ArgumentLength);
        var bodyLength = Wire.JobBody.Write("bench.noop", BenchJobs.Noop(text).Arguments, new JobsOptions().Json).Length;

        Console.WriteLine($"{options.Jobs:n0} jobs of {bodyLength} bytes a round, quorum queue, prefetch {Reference.Prefetch}, {Environment.ProcessorCount} processors");
        await ReferenceAsync(reference, options.Jobs / 4, bodyLength); // warm-up: JIT, connections, leader
        await JobsAsync(jobs, options.Jobs / 4, text);

        var results = new List<Result>();
        for (var round = 0; round < options.Rounds; round++)
        {
            Show(await ReferenceAsync(reference, options.Jobs, bodyLength));
            Show(await JobsAsync(jobs, options.Jobs, text));
        }

        var loop = Mean("reference");
        var ours = Mean("Jobs");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ratio       {ours.EnqueuesPerSecond / loop.EnqueuesPerSecond,12:0.00} {ours.DonePerSecond / loop.DonePerSecond,12:0.00} {ours.CpuMicroseconds / loop.CpuMicroseconds,12:0.00} {ours.Bytes / loop.Bytes,12:0.00}"));

        void Show(Result result)
        {
            if (results.Count == 0)
            {
                Console.WriteLine($"{"",-11} {"enqueues/s",12} {"done/s",12} {"CPU µs/job",12} {"bytes/job",12}");
            }

            results.Add(result);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{result.Name,-11} {result.EnqueuesPerSecond,12:n0} {result.DonePerSecond,12:n0} {result.CpuMicroseconds,12:0.0} {result.Bytes,12:n0}"));
        }

        Result Mean(string name)
        {
            var of = results.Where(r => r.Name == name).ToList();
            return new(name, of.Average(r => r.EnqueuesPerSecond), of.Average(r => r.DonePerSecond), of.Average(r => r.CpuMicroseconds), of.Average(r => r.Bytes));
        }
    }

    static async Task<Result> ReferenceAsync(Reference reference, int count, int bodyLength)
    {
        var meter = new Meter("reference", count);
        var done = reference.Done.Start(count);
        var confirmed = reference.Confirmed.Start(count);
        for (var i = 0; i < count; i++)
        {
            await reference.PublishAsync(bodyLength, Stopwatch.GetTimestamp());
        }

        await confirmed;
        meter.Enqueued();
        await done;
        return meter.Done();
    }

    static async Task<Result> JobsAsync(JobsUnderTest jobs, int count, string text)
    {
        var meter = new Meter("Jobs", count);
        var done = BenchTasks.Done.Start(count);
        await jobs.Dispatcher.EnqueueManyAsync(Enumerable.Range(0, count).Select(_ => BenchJobs.Noop(text)));
        meter.Enqueued();
        await done;
        return meter.Done();
    }

    sealed class Meter
    {
        readonly string name;
        readonly int count;
        readonly TimeSpan cpu;
        readonly long bytes;
        readonly long start;
        TimeSpan enqueued;

        public Meter(string name, int count)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            (this.name, this.count) = (name, count);
            cpu = Process.GetCurrentProcess().TotalProcessorTime;
            bytes = GC.GetTotalAllocatedBytes(precise: true);
            start = Stopwatch.GetTimestamp();
        }

        public void Enqueued() => enqueued = Stopwatch.GetElapsedTime(start);

        public Result Done()
        {
            var elapsed = Stopwatch.GetElapsedTime(start);
            return new(
                name,
                count / enqueued.TotalSeconds,
                count / elapsed.TotalSeconds,
                (Process.GetCurrentProcess().TotalProcessorTime - cpu).TotalMicroseconds / count,
                (GC.GetTotalAllocatedBytes(precise: true) - bytes) / (double)count);
        }
    }
}
