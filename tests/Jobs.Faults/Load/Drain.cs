using System.Diagnostics;
using System.Text;
using Jobs.Faults.Logs;
using Jobs.Faults.Sites;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.Faults.Load;

/// <summary>A message of the dead-letter queue.</summary>
sealed record Letter(string? Id, string Reason, string From);

/// <summary>Waits until nothing is left to run, and reads the dead letters.</summary>
static class Drain
{
    // Longer than the longest delay of the load and the longest job, so that quiet means that nothing is to come.
    static readonly TimeSpan quiet = TimeSpan.FromSeconds(7);

    // Several times what the broker needs to send again what was lost between two queues.
    static readonly TimeSpan patience = TimeSpan.FromMinutes(1);

    /// <summary>Returns when every node says that every queue is empty and the workers have been quiet; or, after the limit, what is left.</summary>
    /// <param name="byHand">Is told when delay levels kept what they should have passed on, and nothing else was left: they are set going once, as an operator would.</param>
    public static async Task<string?> EmptyAsync(Site site, Progress progress, TimeSpan limit, Action<string> byHand)
    {
        var begun = Stopwatch.GetTimestamp();
        long? heldSince = null, moved = null;
        while (true)
        {
            var (left, held) = await WhatIsLeftAsync(site);
            heldSince = held is [] ? null : heldSince ?? Stopwatch.GetTimestamp();
            if (heldSince is { } since && Stopwatch.GetElapsedTime(since) > patience && moved is null)
            {
                await site.MoveLeadersAsync(held, byHand);
                moved = Stopwatch.GetTimestamp();
            }

            // A leader that is new says nothing of its queue for some seconds.
            var idle = Stopwatch.GetElapsedTime(Math.Max(progress.LastActivity, moved ?? 0));
            if (left is null && idle > quiet)
            {
                return null;
            }

            if (Stopwatch.GetElapsedTime(begun) > limit)
            {
                return left ?? $"the workers were busy {idle.TotalSeconds:0.0} s ago";
            }

            await Task.Delay(TimeSpan.FromSeconds(1));
        }
    }

    /// <returns>In words, and the delay levels of which that is all there is.</returns>
    static async Task<(string? Left, IReadOnlyList<HeldQueue> Levels)> WhatIsLeftAsync(Site site)
    {
        var ready = await LeftAsync(site, LoadQueues.ToDrain);
        if (ready is not null || site.Management is not { } management)
        {
            return (ready, []);
        }

        return await management.HeldAsync([.. LoadQueues.ToDrain]) switch
        {
            null => ("something, perhaps: no node answers at its management API", []),
            [] => (null, []),
            var held => ($"{string.Join(", ", held)}, which clients cannot see", held.All(queue => LoadQueues.IsDelayLevel(queue.Name)) ? held : []),
        };
    }

    /// <summary>What is ready in these queues as each node sees them, or <see langword="null"/> when nothing is.</summary>
    public static async Task<string?> LeftAsync(Site site, IReadOnlyList<string> queues)
    {
        if (site is SqliteSite file)
        {
            return await file.LeftAsync();
        }

        foreach (var node in site.Nodes)
        {
            try
            {
                await using var connection = await new ConnectionFactory { Uri = new Uri(node.DirectUri), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
                foreach (var queue in queues)
                {
                    if ((await LookAsync(connection, queue))?.MessageCount is > 0 and var ready)
                    {
                        return $"{ready} messages in {queue}, as {node.Name} says";
                    }
                }
            }
            catch (Exception e) when (MeansAway(e))
            {
                return $"{node.Name} does not answer: {e.Message}";
            }
        }

        return null;
    }

    /// <summary>How many consumers a queue has, as the first node says that answers.</summary>
    public static async Task<uint> ConsumersAsync(Site site, string queue)
    {
        foreach (var node in site.Nodes)
        {
            try
            {
                await using var connection = await new ConnectionFactory { Uri = new Uri(node.DirectUri), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
                return (await LookAsync(connection, queue))?.ConsumerCount ?? 0;
            }
            catch (Exception e) when (MeansAway(e))
            {
            }
        }

        return 0;
    }

    /// <summary>Deletes what an earlier run may have left; the dead-letter queue is not ours and stays.</summary>
    public static async Task CleanAsync(Site site)
    {
        if (!site.HasBroker)
        {
            return; // a file is made anew
        }

        await using var connection = await new ConnectionFactory { Uri = new Uri(site.Nodes[0].DirectUri) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        foreach (var queue in LoadQueues.All)
        {
            await channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false);
        }
    }

    /// <summary>The reason of a letter that no worker wrote.</summary>
    public const string ExpiredInTheBroker = "no reason; the broker says 'expired'";

    /// <summary>Takes all letters of this run out of the dead-letter queue and writes them to the records; those of others stay.</summary>
    public static async Task<List<Letter>> DeadLettersAsync(Site site, RunFolder folder)
    {
        if (site is SqliteSite file)
        {
            return await file.DeadLettersAsync(folder);
        }

        var letters = new List<Letter>();
        await using var connection = await new ConnectionFactory { Uri = new Uri(site.Nodes[0].DirectUri) }.CreateConnectionAsync();
        if (await LookAsync(connection, LoadQueues.DeadLetters) is null)
        {
            return letters;
        }

        using var records = new RecordFile(folder.NewFile("dead") + ".bin");
        await using var channel = await connection.CreateChannelAsync();
        while (await channel.BasicGetAsync(LoadQueues.DeadLetters, autoAck: false) is { } message)
        {
            var headers = message.BasicProperties.Headers;
            var letter = new Letter(
                message.BasicProperties.CorrelationId,
                Header(headers, "x-jobs-dead-reason") ?? $"no reason; the broker says '{Header(headers, "x-first-death-reason")}'",
                Header(headers, "x-jobs-dead-queue") ?? Header(headers, "x-first-death-queue") ?? "?");
            if (JobKey.TryParse(letter.Id, out var key) && key.Run == folder.Run)
            {
                records.Write(Said.DeadLetter, key);
                letters.Add(letter);
                await channel.BasicAckAsync(message.DeliveryTag, multiple: false);
            }
        }

        return letters;

        static string? Header(IDictionary<string, object?>? headers, string name) =>
            headers is not null && headers.TryGetValue(name, out var value) ? value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : value?.ToString() : null;
    }

    /// <returns><see langword="null"/>: there is no such queue.</returns>
    static async Task<QueueDeclareOk?> LookAsync(IConnection connection, string queue)
    {
        await using var channel = await connection.CreateChannelAsync();
        try
        {
            return await channel.QueueDeclarePassiveAsync(queue);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return null;
        }
    }

    static bool MeansAway(Exception e) => e is OperationInterruptedException or BrokerUnreachableException or IOException or OperationCanceledException;
}
