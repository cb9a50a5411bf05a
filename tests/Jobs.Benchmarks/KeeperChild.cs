using System.Globalization;
using Jobs.Control;
using Jobs.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Jobs.Benchmarks;

/// <summary>
/// A process that stands by for the keeper and does nothing else. It says on its output when it leads, and how many bytes it writes to the journal.
/// </summary>
static class KeeperChild
{
    public const string StandsBy = "stands by";
    public const string Leads = "leads";

    public static async Task RunAsync(BenchmarkOptions options)
    {
        await using var transport = new Counting(KeeperDeaths.Transport(options));
        using var keeper = new KeeperService(transport, Options.Create(KeeperDeaths.Jobs), TimeProvider.System, NullLogger<KeeperService>.Instance);
        await keeper.StartAsync(CancellationToken.None);
        while (Console.ReadLine() is not null)
        {
        }

        await keeper.StopAsync(CancellationToken.None);
    }

    static void Say(string line)
    {
        lock (Console.Out)
        {
            Console.WriteLine(line);
            Console.Out.Flush();
        }
    }

    static void Wrote(long bytes) => Say(bytes.ToString(CultureInfo.InvariantCulture));

    /// <summary>Counts what goes into the journal.</summary>
    sealed class Counting(JobTransport inner) : JobTransport
    {
        public override TransportCapabilities Capabilities => inner.Capabilities;

        public override ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken) =>
            inner.PublishAsync(outgoing, timeout, cancellationToken);

        public override Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken) =>
            inner.SubscribeAsync(options, cancellationToken);

        public override Task<long> CountAsync(string queue, CancellationToken cancellationToken) => inner.CountAsync(queue, cancellationToken);

        public override Task<bool> HasQueueAsync(string queue, CancellationToken cancellationToken) => inner.HasQueueAsync(queue, cancellationToken);

        public override JobJournal OpenJournal(string name) => new CountingJournal(inner.OpenJournal(name));

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    sealed class CountingJournal(JobJournal inner) : JobJournal
    {
        public override ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken)
        {
            Wrote(record.Length);
            return inner.AppendAsync(record, timeout, cancellationToken);
        }

        public override async Task<JournalReader> LeadAsync(CancellationToken cancellationToken)
        {
            Say(StandsBy);
            var reader = await inner.LeadAsync(cancellationToken);
            Say(Leads);
            return new CountingReader(reader);
        }

        public override Task<ReadOnlyMemory<byte>?> AskAsync(ReadOnlyMemory<byte> question, CancellationToken cancellationToken) =>
            inner.AskAsync(question, cancellationToken);

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    sealed class CountingReader(JournalReader inner) : JournalReader
    {
        public override IReadOnlyList<JournalRecord> Backlog => inner.Backlog;

        public override bool HasReadAll => inner.HasReadAll;

        public override CancellationToken Lost => inner.Lost;

        public override string LostReason => inner.LostReason;

        public override bool HoldsOldRecords => inner.HoldsOldRecords;

        public override ValueTask<JournalRecord> NextAsync(CancellationToken cancellationToken) => inner.NextAsync(cancellationToken);

        public override ValueTask ForgetAsync(IReadOnlyCollection<long> handles, CancellationToken cancellationToken) => inner.ForgetAsync(handles, cancellationToken);

        public override ValueTask RewriteAsync(
            IReadOnlyCollection<long> handles, IReadOnlyList<ReadOnlyMemory<byte>> records, CancellationToken cancellationToken)
        {
            Wrote(records.Sum(record => (long)record.Length));
            return inner.RewriteAsync(handles, records, cancellationToken);
        }

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
