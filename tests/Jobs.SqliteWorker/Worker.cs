using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Jobs.Sqlite;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Jobs.SqliteWorker;

/// <summary>
/// What one process does to a file. It reports each step as a line, in one write, before the next step begins: what a
/// killed process has reported is true.
/// </summary>
/// <remarks>
/// try id: the message goes out now. sent id: it was confirmed. failed id maybe|no text: it was not. run id: a job
/// begins. done id: it was settled. A worker that serves says only run.
/// </remarks>
sealed class Worker(string file) : IAsyncDisposable
{
    const string Queue = "work";

    readonly SqliteTransport transport = new(
        Options.Create(new SqliteOptions { File = file }), TimeProvider.System, NullLogger<SqliteTransport>.Instance);

    readonly ConcurrentQueue<Delivery> held = new();
    SqliteSubscription? subscription;

    public async Task DoAsync(string[] command)
    {
        switch (command[0])
        {
            case "publish": await PublishAsync(command[1], Seconds(command[2])); break;
            case "load": Load(command[1], Number(command[2])); break;
            case "work": await WorkAsync(Number(command[1])); break;
            case "serve": await ServeAsync(Number(command[1])); break;
            case "hold": await HoldAsync(Number(command[1])); break;
            case "settle": await SettleAsync(); break;
            case "die": AtCheckpoint(command[1], Die); break;
            case "suspend": AtCheckpoint(command[1], Suspend); break;
            case "append": await AppendAsync(command[1], command[2]); break;
            case "lead": _ = LeadAsync(command[1]); break;
            case "problems": Say($"problems {string.Join(' ', transport.Problems())}"); break;
            default: throw new ArgumentException($"There is no command '{command[0]}'.");
        }
    }

    public ValueTask DisposeAsync() => transport.DisposeAsync();

    static void Say(string line) => Console.WriteLine(line);

    static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    static TimeSpan Seconds(string text) => TimeSpan.FromSeconds(double.Parse(text, CultureInfo.InvariantCulture));

    static Outgoing Message(string id) => new(Queue, new()
    {
        Headers = new JobHeaders { Task = "test.run", Id = id },
        Body = Encoding.UTF8.GetBytes($"[[\"{new string('x', 500)}\"],{{}},{{}}]"),
        CorrelationId = id,
    });

    async Task PublishAsync(string id, TimeSpan timeout)
    {
        Say($"try {id}");
        try
        {
            await transport.PublishAsync(Message(id), timeout, CancellationToken.None);
            Say($"sent {id}");
        }
        catch (JobPublishException e)
        {
            Say($"failed {id} {(e.MaybeEnqueued ? "maybe" : "no")} {e.Message.ReplaceLineEndings(" ")}");
        }
    }

    /// <summary>Publishes without an end, some messages at a time.</summary>
    void Load(string prefix, int publishers)
    {
        for (var i = 0; i < publishers; i++)
        {
            _ = LoopAsync($"{prefix}.{i}");
        }

        async Task LoopAsync(string name)
        {
            for (var i = 0; ; i++)
            {
                await PublishAsync($"{name}.{i}", TimeSpan.FromSeconds(30));
            }
        }
    }

    /// <summary>Runs jobs. Every second job has a follow-up.</summary>
    async Task WorkAsync(int prefetch)
    {
        await SubscribeAsync(prefetch);
        for (var i = 0; i < prefetch; i++)
        {
            _ = LoopAsync();
        }

        async Task LoopAsync()
        {
            while (await subscription!.NextAsync() is { } delivery)
            {
                var id = delivery.Message.CorrelationId!;
                Say($"run {id}");
                await delivery.SettleAsync(id.EndsWith('0') ? [Message($"{id}.next")] : []);
                Say($"done {id}");
            }
        }
    }

    /// <summary>Runs jobs as an application does.</summary>
    async Task ServeAsync(int prefetch)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddJobs(jobs => jobs.UseSqlite(file).AddTasks().AddWorker(worker => (worker.Queues, worker.Concurrency, worker.Prefetch) = ([Queue], 4, prefetch)));
        await builder.Build().StartAsync();
    }

    /// <summary>Takes jobs and does nothing with them.</summary>
    async Task HoldAsync(int prefetch)
    {
        await SubscribeAsync(prefetch);
        _ = LoopAsync();

        async Task LoopAsync()
        {
            while (await subscription!.NextAsync() is { } delivery)
            {
                held.Enqueue(delivery);
                Say($"run {delivery.Message.CorrelationId}");
            }
        }
    }

    /// <summary>Settles all jobs that are held, each with a follow-up.</summary>
    async Task SettleAsync()
    {
        for (var left = held.Count; left > 0 && held.TryDequeue(out var delivery); left--)
        {
            var id = delivery.Message.CorrelationId;
            await delivery.SettleAsync([Message($"{id}.next")]);
            Say($"done {id}");
        }
    }

    /// <summary>Does something at a checkpoint of the next transaction that somebody must be able to rely on.</summary>
    void AtCheckpoint(string checkpoint, Action action) => subscription!.Engine.Writer.Checkpoint = (reached, operations) =>
    {
        if (reached == checkpoint && operations.Any(operation => operation.NeedsSync))
        {
            subscription.Engine.Writer.Checkpoint = null;
            action();
        }
    };

    static void Die()
    {
        Process.GetCurrentProcess().Kill();
        Thread.Sleep(Timeout.Infinite); // the signal may take a moment
    }

    /// <summary>Suspends this process, with all its threads, until somebody continues it.</summary>
    static void Suspend()
    {
        using var kill = Process.Start("/bin/sh", ["-c", $"kill -STOP {Environment.ProcessId}"]);
        kill.WaitForExit();
    }

    async Task AppendAsync(string journal, string text)
    {
        await transport.OpenJournal(journal).AppendAsync(Encoding.UTF8.GetBytes(text), TimeSpan.FromSeconds(30), CancellationToken.None);
        Say($"appended {text}");
    }

    /// <summary>Stands by until it leads a journal, and then reports each record.</summary>
    async Task LeadAsync(string journal)
    {
        var reader = await transport.OpenJournal(journal).LeadAsync(CancellationToken.None);
        foreach (var record in reader.Backlog)
        {
            Say($"record {Encoding.UTF8.GetString(record.Bytes.Span)}");
        }

        Say("leads");
        while (true)
        {
            Say($"record {Encoding.UTF8.GetString((await reader.NextAsync(CancellationToken.None)).Bytes.Span)}");
        }
    }

    async Task SubscribeAsync(int prefetch) => subscription = (SqliteSubscription)await transport.SubscribeAsync(
        new() { Queues = [Queue], Prefetch = prefetch }, CancellationToken.None);
}
