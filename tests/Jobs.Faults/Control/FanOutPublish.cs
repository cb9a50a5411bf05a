using Jobs.Brokers;
using Jobs.Faults.Logs;
using Jobs.Faults.Sites;
using RabbitMQ.Client;

namespace Jobs.Faults.Control;

/// <summary>Why a beat records an occurrence after its job was confirmed, and not in the same publish: that is not one step for two queues, and a record without its job is a lost occurrence.</summary>
/// <remarks>
/// One publish goes to the queue of the jobs and to the journal. The node that leads the queue of the jobs hangs; the other one writes its record. Then the node dies together
/// with the beat, as they do on one machine. The next beat takes what it finds recorded for dealt with.
/// </remarks>
static class FanOutPublish
{
    const string JobQueue = "controls.occurrences";
    const string Journal = "controls.journal";
    const string Exchange = "controls.fan-out";
    const int Occurrences = 30; // with more unconfirmed by one queue, the broker stops the channel

    public static async Task RunAsync(Site site, RunFolder folder)
    {
        await PlainClient.DeclareAsync(site.Nodes[0], JobQueue, "quorum");
        var dying = await LeaderAsync(site, JobQueue);
        var other = site.Nodes.First(node => node != dying);
        await Eventually.BecomesAsync(JournalIsLedByAnotherAsync, TimeSpan.FromSeconds(60), "the journal to be led by another node");

        using var records = new RecordFile(folder.NewFile("control") + ".bin");
        var beat = await PlainClient.ConnectAsync(other.DirectUri);
        var channel = await beat.CreateChannelAsync(new CreateChannelOptions(true, false));
        await using var onlooker = await PlainClient.ConnectAsync(other.DirectUri);
        await using var look = await onlooker.CreateChannelAsync();
        await channel.ExchangeDeclareAsync(Exchange, ExchangeType.Fanout);
        await channel.QueueBindAsync(JobQueue, Exchange, "");
        await channel.QueueBindAsync(Journal, Exchange, "");

        await FireAsync(0);
        await Eventually.BecomesAsync(async () => await look.MessageCountAsync(Journal) == 1, TimeSpan.FromSeconds(10), "the first record"); // and this channel to be known to both queues
        await dying.PauseAsync();
        for (var number = 1; number < Occurrences; number++)
        {
            await FireAsync(number);
        }

        await Eventually.BecomesAsync(async () => await look.MessageCountAsync(Journal) == Occurrences, TimeSpan.FromSeconds(10), "the journal to have records");
        await Task.WhenAll(beat.AbortAsync(), dying.KillAsync());
        await beat.DisposeAsync();
        await site.HealAsync(Console.WriteLine);

        await TakeForDealtWithAsync(other, records);
        await PlainClient.ConsumeAsync(other, JobQueue, records);
        await PlainClient.DeleteAsync(other, JobQueue);
        await PlainClient.DeleteAsync(other, Journal);

        async Task<bool> JournalIsLedByAnotherAsync()
        {
            await PlainClient.DeclareAsync(other, Journal, "quorum");
            return await LeaderAsync(site, Journal) != dying;
        }

        async Task FireAsync(int number)
        {
            var key = new JobKey(folder.Run, 0, number);
            records.Write(Said.Attempted, key);
            await channel.BasicPublishAsync(Exchange, "", mandatory: true, PlainClient.Properties(key), PlainClient.Body);
        }
    }

    static async Task<SiteNode> LeaderAsync(Site site, string queue)
    {
        string? leader = null;
        await Eventually.BecomesAsync(async () => (leader = await site.Management!.LeaderOfAsync(queue)) is not null, TimeSpan.FromSeconds(20), $"{queue} to have a leader");
        return site.Nodes.Single(node => node.Name == leader);
    }

    static async Task TakeForDealtWithAsync(SiteNode node, RecordFile records)
    {
        await using var connection = await PlainClient.ConnectAsync(node.DirectUri);
        await using var channel = await connection.CreateChannelAsync();
        while (await channel.BasicGetAsync(Journal, autoAck: true) is { } record)
        {
            _ = JobKey.TryParse(record.BasicProperties.CorrelationId, out var key);
            records.Write(Said.Confirmed, key);
        }

        await channel.ExchangeDeleteAsync(Exchange);
    }
}
