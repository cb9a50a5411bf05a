using Jobs.Control;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Benchmarks;

/// <summary>Makes dead letters as a worker writes them: the letter for its queue, and its entry for the keeper's journal.</summary>
static class DeadLetters
{
    const int AtOnce = 500;

    static readonly TimeSpan patience = TimeSpan.FromMinutes(2);

    public static (string Id, Outgoing Letter, Outgoing Record) Make(string queue, int number)
    {
        var id = $"letter-{number}";
        var headers = new JobHeaders { Task = $"bench.task{number % 20}", Id = id };
        var message = new JobMessage { Headers = headers, Body = "[[],{},{}]"u8.ToArray(), CorrelationId = id };
        var letter = new DeadLetter
        {
            Reason = $"System.TimeoutException: timed out {number}",
            At = DateTimeOffset.UtcNow,
            Queue = $"bench.q{number % 3}",
            Attempts = 4,
            Exception = "System.TimeoutException: timed out",
            Stack = $"   at Bench.Tasks.Run{number % 700}()",
        };
        return (id, new(queue, letter.Write(message, number)), Letters.Record(queue, message, letter));
    }

    /// <summary>Writes many of them.</summary>
    public static async Task WriteAsync(JobTransport transport, string queue, int count)
    {
        for (var made = 0; made < count; made += AtOnce)
        {
            var outgoing = Enumerable.Range(made, Math.Min(AtOnce, count - made)).Select(number => Make(queue, number));
            var failed = await transport.PublishAsync([.. outgoing.SelectMany(one => new[] { one.Letter, one.Record })], patience, CancellationToken.None);
            if (failed.Count > 0)
            {
                throw new InvalidOperationException($"{failed.Count} were not published: {failed.Values.First().Message}");
            }
        }
    }
}
