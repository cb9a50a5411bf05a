using Jobs.Benchmarks;

const string Usage = """
    usage: dotnet run -c Release --project tests/Jobs.Benchmarks -- WHAT [options]
      throughput  jobs/s, CPU and allocated bytes of enqueue + run, against loops written by hand
                  [--transport rabbitmq|sqlite|memory] [--jobs N] [--rounds N] [--body BYTES] [--concurrency N] [--prefetch N] [--window N]
      follow-ups  RabbitMQ: jobs with awaited results, and chains of three, against the same by hand; a part of throughput
                  [--jobs N] [--rounds N] [--body BYTES] [--concurrency N] [--prefetch N] [--window N]
      events      jobs/s and CPU per job with events off, by default and all of them, in alternating rounds
                  [--transport rabbitmq|sqlite|memory] [--jobs N] [--rounds N] [--body BYTES] [--concurrency N] [--prefetch N] [--window N]
      latency     enqueue → start and enqueue → confirmed at a fixed rate, against the same loop
                  [--rate N] [--seconds N] [--rounds N] [--body BYTES] [--concurrency N] [--prefetch N] [--window N]
      lone        CPU per job of jobs that come one at a time, against the same loop
                  [--rate N] [--seconds N] [--rounds N] [--body BYTES] [--concurrency N] [--prefetch N]
      cold        how long the first enqueues of a new host take, plain and delayed                    [--rounds N] [--body BYTES]
      delayed     memory of a worker while many jobs wait for an hour                                  [--jobs N]
      crash       how soon the jobs of a killed worker process run elsewhere                           [--rounds N]
      wake        SQLite: from the process that enqueues to a worker in another process, busy and after a minute of idleness     [--seconds N]
      size        SQLite: jobs beside a million others and 200,000 delayed ones; the file after many jobs                        [--jobs N]
      history     events of many jobs, then: how long the first question takes, each read, and a search beyond the index         [--jobs N]
      keeper      100,000 dead letters in the index: bytes of the journal, each read, and how soon the next keeper answers after a kill
                  [--transport rabbitmq|sqlite] [--entries N] [--deaths N]
      dashboard   CPU that ten open tabs cost a worker, with 100,000 dead letters: in one process, in two, and idle; 10 to 25 minutes
                  [--transport rabbitmq|sqlite|memory] [--rate N] [--entries N] [--rounds N] [--seconds N]
      dashboard-size  each page with the events of many jobs and 100,000 dead letters, from the index and beyond it; memory
                  [--transport rabbitmq|sqlite] [--jobs N] [--entries N]
      codec       encode and decode of one message (BenchmarkDotNet, no broker)

      --broker WHAT         a URI, defaults to amqp://guest:guest@127.0.0.1; of several hosts all sides use the first one
                            processes: starts one local rabbitmq-server for the run; processes3: a cluster of three
      --transport WHAT      rabbitmq (the default), sqlite or memory; the last two need no broker
      --jobs N              jobs per round and side; defaults to 100,000, for history to 1,000,000
      --entries N, --deaths N  dead letters, 100,000 by default, and kills, 100 by default
      --rounds N            defaults to 10 for throughput, events and crash, 5 for cold, 3 for latency and lone
      --rate N, --seconds N jobs per second and how long; default to 500 and 20 for latency, 50 and 10 for lone
      --body BYTES          size of a message body; defaults to 470, which is a text of 400 characters
      --concurrency N       slots of the worker; defaults to 16; lone compares 8 and 2,000
      --prefetch N          unacknowledged messages at once; defaults to 300
      --window N            unconfirmed messages at once; defaults to 512
    """;

BenchmarkOptions options;
string what;
try
{
    options = BenchmarkOptions.Parse(args, out what);
}
catch (ArgumentException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}

switch (what)
{
    case "throughput" when options.Sqlite is not null: await SqliteThroughput.RunAsync(options); return 0;
    case "throughput" when options.InMemory: await Throughput.RunAsync(options); return 0;
    case "throughput": return await AgainstBrokerAsync(async ofBroker =>
    {
        await Throughput.RunAsync(ofBroker);
        await FollowUps.RunAsync(ofBroker);
    });
    case "events" when options.Sqlite is not null || options.InMemory: await EventCost.RunAsync(options); return 0;
    case "events": return await AgainstBrokerAsync(EventCost.RunAsync);
    case "follow-ups": return await AgainstBrokerAsync(FollowUps.RunAsync);
    case "wake": await SqliteWake.RunAsync(options); return 0;
    case "wake-worker": await SqliteWake.WorkAsync(options); return 0; // started by wake
    case "size": await SqliteSize.RunAsync(options); return 0;
    case "history" when options.Sqlite is not null || options.InMemory: await History.RunAsync(options); return 0;
    case "history": return await AgainstBrokerAsync(History.RunAsync);
    case "keeper" when options.Sqlite is not null: await KeeperDeaths.RunAsync(options); return 0;
    case "keeper": return await AgainstBrokerAsync(KeeperDeaths.RunAsync);
    case "keeper-child": await KeeperChild.RunAsync(options); return 0; // started by keeper
    case "dashboard" when options.Sqlite is not null || options.InMemory: await DashboardTabs.RunAsync(options, null); return 0;
    case "dashboard": return await WithBrokerAsync(broker => DashboardTabs.RunAsync(options, broker));
    case "dashboard-size" when options.InMemory: throw new ArgumentException("dashboard-size needs a history that can be filled: sqlite or rabbitmq");
    case "dashboard-size" when options.Sqlite is not null: await DashboardSize.RunAsync(options, null); return 0;
    case "dashboard-size": return await WithBrokerAsync(broker => DashboardSize.RunAsync(options, broker));
    case "dashboard-child": await DashboardChild.RunAsync(options); return 0; // started by dashboard
    case "latency": return await AgainstBrokerAsync(Latency.RunAsync);
    case "lone": return await AgainstBrokerAsync(Lone.RunAsync);
    case "cold": return await AgainstBrokerAsync(Cold.RunAsync);
    case "delayed": return await AgainstBrokerAsync(DelayedMemory.RunAsync);
    case "crash": return await AgainstBrokerAsync(CrashRecovery.RunAsync);
    case "crash-victim": await CrashRecovery.VictimAsync(options); return 0; // started by crash, with the broker that crash has
    case "codec": BenchmarkDotNet.Running.BenchmarkRunner.Run<Codec>(); return 0;
    default: Console.Error.WriteLine(Usage); return 2;
}

Task<int> AgainstBrokerAsync(Func<BenchmarkOptions, Task> runAsync) => WithBrokerAsync(broker => runAsync(options with { Broker = broker.Uri }));

async Task<int> WithBrokerAsync(Func<BenchBroker, Task> runAsync)
{
    await using var broker = await BenchBroker.StartAsync(options.Broker);
    await runAsync(broker);
    return 0;
}
