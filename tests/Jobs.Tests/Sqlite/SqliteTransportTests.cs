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
            transport = file.Open();
            return ValueTask.CompletedTask;
        }

        public override async ValueTask CrashAsync(JobSubscription subscription) => await ((SqliteSubscription)subscription).AbandonAsync();

        public override async ValueTask DisposeAsync()
        {
            await base.DisposeAsync();
            file.Dispose();
        }
    }
}
