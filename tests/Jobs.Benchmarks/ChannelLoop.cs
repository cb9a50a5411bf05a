using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;

namespace Jobs.Benchmarks;

/// <summary>
/// The yardstick of the in-memory transport: an unbounded channel of JSON messages (id, task, arguments) and as many readers as the worker has slots. Each reads
/// the JSON, looks the task up by name and calls it.
/// </summary>
sealed class ChannelLoop : ISide
{
    public const string About = "System.Threading.Channels by hand: JSON in, JSON out, the task looked up by name, as many readers as Jobs has slots";

    readonly Channel<byte[]> channel = Channel.CreateUnbounded<byte[]>();
    readonly Dictionary<string, Action<JsonElement[]>> tasks;
    readonly Countdown done = new();
    readonly string text;
    readonly Task[] readers;

    public ChannelLoop(BenchmarkOptions options)
    {
        text = options.Text();
        tasks = new() { ["bench.noop"] = Noop, ["bench.stamp"] = Stamp };
        readers = [.. Enumerable.Range(0, options.Concurrency ?? 16).Select(_ => Task.Run(ReadAsync))];
    }

    public string Name => "channel-loop";

    public List<double> StartLatencies { get; } = [];

    public Task Expect(int count) => done.Start(count);

    public async Task EnqueueManyAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            await WriteAsync("bench.noop", [text]);
        }
    }

    public Task EnqueueAsync() => WriteAsync("bench.stamp", [Stopwatch.GetTimestamp(), text]).AsTask();

    public async ValueTask DisposeAsync()
    {
        channel.Writer.Complete();
        await Task.WhenAll(readers);
    }

    ValueTask WriteAsync(string task, object[] arguments) =>
        channel.Writer.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(new ChannelMessage<object>(Guid.CreateVersion7().ToString(), task, arguments)));

    async Task ReadAsync()
    {
        await foreach (var bytes in channel.Reader.ReadAllAsync())
        {
            var message = JsonSerializer.Deserialize<ChannelMessage<JsonElement>>(bytes)!;
            tasks[message.Task](message.Arguments);
        }
    }

    void Noop(JsonElement[] arguments)
    {
        _ = arguments[0].GetString();
        done.Signal();
    }

    void Stamp(JsonElement[] arguments)
    {
        lock (StartLatencies)
        {
            StartLatencies.Add(Stopwatch.GetElapsedTime(arguments[0].GetInt64()).TotalMilliseconds);
        }

        Noop(arguments[1..]);
    }
}
