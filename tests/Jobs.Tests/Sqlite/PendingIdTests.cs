using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>The table of ids that are pending.</summary>
public sealed class PendingIdTests : IAsyncDisposable
{
    readonly SqliteFile file = new();
    readonly SqliteTransport transport;

    public PendingIdTests() => transport = file.Open();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await transport.DisposeAsync();
        file.Dispose();
    }

    [Fact]
    public async Task An_id_whose_transaction_is_rolled_back_is_not_pending()
    {
        Assert.Empty(transport.Problems());
        await using (var connection = new SqliteConnection($"Data Source={file.Path};Pooling=False"))
        {
            await connection.OpenAsync(Stop);
            await using var transaction = connection.BeginTransaction();
            await transport.GuestOf(transaction).WriteAsync(Once("job"), [], Wait.Deadline, Stop);
            Assert.Equal(1, Pending(connection, transaction));
            await transaction.RollbackAsync(Stop);
        }

        Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_pending"));
        await Task.Run(() => transport.PublishAsync(Once("job"), Wait.Deadline, Stop).AsTask(), Stop);
        Assert.Equal(1, await transport.CountAsync("work", Stop));
    }

    [Fact]
    public async Task Only_what_is_published_so_is_in_the_table_and_only_while_it_is_pending()
    {
        await using var subscription = await transport.SubscribeAsync(new() { Queues = ["work"], Prefetch = 1 }, Stop);
        await transport.PublishAsync(Once("job") with { UnlessPending = false }, Wait.Deadline, Stop);
        await (await subscription.NextAsync().Soon())!.SettleAsync([]);
        Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_pending"));

        await transport.PublishAsync(Once("job"), Wait.Deadline, Stop);
        Assert.Equal(1, file.Single("SELECT count(*) FROM jobs_pending"));
        await (await subscription.NextAsync().Soon())!.SettleAsync([]);
        await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_message") == 0);
        Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_pending"));
    }

    [Theory]
    [InlineData(6, false)]
    [InlineData(6, true)]
    [InlineData(0, false)]
    public async Task An_id_is_free_when_its_message_has_left_although_nobody_can_read_the_message(int bytesLeft, bool delayed)
    {
        await transport.PublishAsync(Once("job") with { Delay = TimeSpan.FromMilliseconds(delayed ? 1 : 0) }, Wait.Deadline, Stop);
        file.Single($"UPDATE jobs_message SET head = substr(head, 1, {bytesLeft}) RETURNING 1");
        await using var subscription = await transport.SubscribeAsync(new() { Queues = ["work"], Prefetch = 1 }, Stop);
        var damaged = (await subscription.NextAsync().Soon())!;
        Assert.Null(damaged.Message.CorrelationId);
        await damaged.SettleAsync([]);

        await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_message") == 0);
        Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_pending"));
        await transport.PublishAsync(Once("job"), Wait.Deadline, Stop);
        Assert.Equal("job", (await subscription.NextAsync().Soon())!.Message.CorrelationId);
    }

    static Outgoing Once(string id) => new("work", TestMessage.Of(id)) { UnlessPending = true };

    static long Pending(SqliteConnection connection, SqliteTransaction transaction)
    {
        using var command = connection.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, "SELECT count(*) FROM jobs_pending");
        return (long)command.ExecuteScalar()!;
    }
}
