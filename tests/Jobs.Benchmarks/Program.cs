using Jobs.Benchmarks;

var options = BenchmarkOptions.Parse(args, out var what);
switch (what)
{
    case "throughput": await Throughput.RunAsync(options); return 0;
    case "latency": await Latency.RunAsync(options); return 0;
    case "delayed": await DelayedMemory.RunAsync(options); return 0;
    case "crash": await CrashRecovery.RunAsync(options); return 0;
    case "crash-victim": await CrashRecovery.VictimAsync(options); return 0;
    case "codec": BenchmarkDotNet.Running.BenchmarkRunner.Run<Codec>(); return 0;
    default:
        Console.Error.WriteLine("""
            usage: dotnet run -c Release --project tests/Jobs.Benchmarks -- WHAT [options]
              throughput  jobs/s and CPU of enqueue + run, against a hand-written RabbitMQ.Client loop   [--jobs N] [--rounds N]
              latency     enqueue→start and enqueue→confirmed, against the same loop                    [--rate N] [--seconds N]
              delayed     memory of a worker while many jobs wait for an hour                            [--jobs N]
              crash       how soon the jobs of a killed worker process run elsewhere                     [--rounds N]
              codec       encode and decode of one message (BenchmarkDotNet, no broker)
              --broker URI   defaults to amqp://guest:guest@127.0.0.1
            """);
        return 2;
}
