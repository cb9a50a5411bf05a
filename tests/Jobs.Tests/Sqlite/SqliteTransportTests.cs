using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;

namespace Jobs.Tests.Sqlite;

/// <summary>The contract of all transports, on a real file.</summary>
public sealed class SqliteTransportTests() : TransportContract(new Harness())
{
    sealed class Harness : TransportHarness
    {
        readonly SqliteFile file = new();
        SqliteTransport? transport;

        public override JobTransport Transport => transport!;

        public override TimeSpan ShortDelay => TimeSpan.FromMilliseconds(300);

        public override ValueTask StartAsync()
        {
            transport = SqliteFile.Open(file.Path, options: new() { HistoryBytes = HistoryBytes });
            return ValueTask.CompletedTask;
        }

        public override async ValueTask CrashAsync(JobSubscription subscription) => await ((SqliteSubscription)subscription).AbandonAsync();

        public override async ValueTask AddToHistoryAsync(params ReadOnlyMemory<byte>[] entries)
        {
            await base.AddToHistoryAsync(entries);
            await Transport.CountAsync("none", CancellationToken.None); // the writer works in order
        }

        public override async ValueTask DisposeAsync()
        {
            await base.DisposeAsync();
            file.Dispose();
        }
    }
}
