using System.Data.Common;
using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>A job that is enqueued in a transaction of the application is there if the transaction is.</summary>
public sealed class TransactionTests : IAsyncDisposable
{
    const string Queue = "orders";

    readonly SqliteFile file = new();
    readonly Lines lines = new();
    readonly IHost host;

    public TransactionTests()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddProvider(lines);
        builder.Services.AddJobs(jobs => jobs.UseSqlite(file.Path).Configure(o => o.EnqueueTimeout = TimeSpan.FromSeconds(1)));
        host = builder.Build();
    }

    IJobDispatcher Dispatcher => host.Services.GetRequiredService<IJobDispatcher>();

    JobTransport Transport => host.Services.GetRequiredService<JobTransport>();

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        host.Dispose();
        SqliteConnection.ClearAllPools();
        file.Dispose();
        await Task.CompletedTask;
    }

    [Fact]
    public async Task A_job_and_a_row_are_committed_together_and_a_worker_gets_the_job_only_then()
    {
        var subscription = await SubscribeAsync();
        var next = subscription.NextAsync().AsTask();
        await using var connection = await ConnectionAsync();
        await using var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation);
        await InsertAsync(connection, transaction);

        var handle = await Dispatcher.EnqueueAsync(Order(), transaction, Cancellation);
        Assert.False(next.IsCompleted);
        await transaction.CommitAsync(Cancellation);

        Assert.Equal(handle.Id, (await next.Soon())!.Message.CorrelationId);
        Assert.Equal(1, await RowsAsync(connection));
    }

    [Fact]
    public async Task A_job_whose_transaction_is_rolled_back_was_never_there()
    {
        await using var connection = await ConnectionAsync();
        await using (var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation))
        {
            await InsertAsync(connection, transaction);
            await Dispatcher.EnqueueAsync(Order(), transaction, Cancellation);
            await transaction.RollbackAsync(Cancellation);
        }

        var plain = await Dispatcher.EnqueueAsync(Order(), Cancellation);

        var subscription = await SubscribeAsync();
        Assert.Equal(plain.Id, (await subscription.NextAsync().Soon())!.Message.CorrelationId);
        Assert.Equal(0, await Transport.CountAsync(Queue, Cancellation));
        Assert.Equal(0, await RowsAsync(connection));
    }

    [Fact]
    public async Task A_chain_is_there_with_all_its_jobs_and_awaited_results_if_its_transaction_is()
    {
        Job first = Order() with { Result = true };
        var chain = first.Then(new Job<int>("orders.ship", [1]) { Queue = Queue }) with { Result = true };
        await using var connection = await ConnectionAsync();
        await using (var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation))
        {
            await Dispatcher.EnqueueAsync(chain, transaction, Cancellation);
            await transaction.RollbackAsync(Cancellation);
        }

        Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_result"));
        JobHandle<int> handle;
        await using (var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation))
        {
            handle = await Dispatcher.EnqueueAsync(chain, transaction, Cancellation);
            await transaction.CommitAsync(Cancellation);
        }

        var subscription = await SubscribeAsync();
        var message = (await subscription.NextAsync().Soon())!.Message;
        Assert.Contains("orders.ship", System.Text.Encoding.UTF8.GetString(message.Body.Span), StringComparison.Ordinal);
        Assert.Contains(handle.Id, System.Text.Encoding.UTF8.GetString(message.Body.Span), StringComparison.Ordinal);
        Assert.Equal(0, await Transport.CountAsync(Queue, Cancellation));
        Assert.Equal(2, file.Single("SELECT count(*) FROM jobs_result"));
        Assert.Equal(JobState.Queued, (await handle.GetStatusAsync(Cancellation)).State);
    }

    [Fact]
    public async Task A_job_of_an_entity_framework_transaction_comes_after_its_commit()
    {
        await host.StartAsync(Cancellation); // opens the file: nothing may open it while the transaction is open
        await using var orders = new Orders(file.Path);
        await orders.Database.ExecuteSqlRawAsync(Orders.Table, Cancellation);
        await using var transaction = await orders.Database.BeginTransactionAsync(Cancellation);
        orders.Add(new OrderRow { Id = 7 });
        await orders.SaveChangesAsync(Cancellation);
        var handle = await Dispatcher.EnqueueAsync(Order(), orders.Database.CurrentTransaction!.GetDbTransaction(), Cancellation);
        await transaction.CommitAsync(Cancellation);

        var subscription = await SubscribeAsync();
        Assert.Equal(handle.Id, (await subscription.NextAsync().Soon())!.Message.CorrelationId);
        Assert.Equal(1, await orders.Set<OrderRow>().CountAsync(Cancellation));
    }

    [Fact]
    public async Task Many_jobs_of_one_transaction_keep_their_order_and_those_of_the_writer_come_behind_them()
    {
        await using var connection = await ConnectionAsync();
        List<string> ids = [];
        await using (var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation))
        {
            for (var i = 0; i < 10; i++)
            {
                ids.Add((await Dispatcher.EnqueueAsync(Order() with { Delay = i == 9 ? TimeSpan.FromHours(1) : null }, transaction, Cancellation)).Id);
            }

            await transaction.CommitAsync(Cancellation);
        }

        ids[9] = (await Dispatcher.EnqueueAsync(Order(), Cancellation)).Id;
        var subscription = await SubscribeAsync();
        foreach (var id in ids)
        {
            Assert.Equal(id, (await subscription.NextAsync().Soon())!.Message.CorrelationId);
        }
    }

    [Fact]
    public async Task A_transaction_of_another_file_or_kind_or_one_that_is_over_is_refused()
    {
        await using var elsewhere = new SqliteConnection("Data Source=:memory:");
        await elsewhere.OpenAsync(Cancellation);
        await using var foreign = (SqliteTransaction)await elsewhere.BeginTransactionAsync(Cancellation);
        var message = (await Assert.ThrowsAsync<ArgumentException>(() => Dispatcher.EnqueueAsync(Order(), foreign, Cancellation))).Message;
        Assert.Contains(file.Path, message, StringComparison.Ordinal);

        Assert.Contains(
            nameof(NoTransaction),
            (await Assert.ThrowsAsync<ArgumentException>(() => Dispatcher.EnqueueAsync(Order(), new NoTransaction(), Cancellation))).Message,
            StringComparison.Ordinal);

        await using var connection = await ConnectionAsync();
        var over = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation);
        await over.CommitAsync(Cancellation);
        await Assert.ThrowsAsync<ArgumentException>(() => Dispatcher.EnqueueAsync(Order(), over, Cancellation));

        using var memory = Memory();
        await Assert.ThrowsAsync<ArgumentException>(() => memory.Services.GetRequiredService<IJobDispatcher>().EnqueueAsync(Order(), foreign, Cancellation));
    }

    [Fact]
    public async Task A_deferred_transaction_that_has_read_an_older_state_is_told_to_begin_immediate()
    {
        await using var connection = await ConnectionAsync();
        await using var transaction = connection.BeginTransaction(deferred: true);
        await RowsAsync(connection, transaction);
        await Dispatcher.EnqueueAsync(Order(), Cancellation); // somebody writes

        var refused = await Assert.ThrowsAsync<JobPublishException>(() => Dispatcher.EnqueueAsync(Order(), transaction, Cancellation));

        Assert.False(refused.MaybeEnqueued);
        Assert.Contains("immediate", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plain_enqueue_in_the_flow_of_an_open_transaction_is_refused_at_once_and_works_after_it()
    {
        await using var connection = await ConnectionAsync();
        await using var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation);
        await Dispatcher.EnqueueAsync(Order(), transaction, Cancellation);

        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => Dispatcher.EnqueueAsync(Order(), Cancellation));
        Assert.Contains("EnqueueAsync(job, transaction)", refused.Message, StringComparison.Ordinal);

        await transaction.CommitAsync(Cancellation);
        await Dispatcher.EnqueueAsync(Order(), Cancellation);
    }

    [Fact]
    public async Task A_plain_enqueue_that_waits_for_a_transaction_of_its_own_flow_fails_at_the_deadline_and_names_the_cause()
    {
        await using var connection = await ConnectionAsync();
        await using var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation);
        await InsertAsync(connection, transaction);

        var refused = await Assert.ThrowsAsync<JobPublishException>(() => Dispatcher.EnqueueAsync(Order(), Cancellation));

        Assert.False(refused.MaybeEnqueued);
        Assert.Contains("EnqueueAsync(job, transaction)", refused.Message, StringComparison.Ordinal);
        await transaction.CommitAsync(Cancellation);
    }

    // The provider's object still has its connection then. A savepoint of ours would commit by itself.
    [Fact]
    public async Task A_job_whose_transaction_sqlite_has_rolled_back_by_itself_is_refused()
    {
        await using var connection = await ConnectionAsync();
        await using (var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation))
        {
            await InsertAsync(connection, transaction);
            await using var again = connection.CreateCommand();
            (again.CommandText, again.Transaction) = ("INSERT OR ROLLBACK INTO Orders VALUES (1)", transaction);
            await Assert.ThrowsAsync<SqliteException>(() => again.ExecuteNonQueryAsync(Cancellation));

            var refused = await Assert.ThrowsAsync<JobPublishException>(() => Dispatcher.EnqueueAsync(Order(), transaction, Cancellation));
            Assert.False(refused.MaybeEnqueued);
        }

        await using var other = await ConnectionAsync();
        Assert.Equal(0, await Transport.CountAsync(Queue, Cancellation));
    }

    [Fact]
    public async Task A_deferred_transaction_that_has_read_nothing_waits_for_its_turn()
    {
        await using var connection = await ConnectionAsync();
        await using var transaction = connection.BeginTransaction(deferred: true);
        using var locked = await file.LockAsync();
        var enqueue = Dispatcher.EnqueueAsync(Order(), transaction, Cancellation);
        Assert.False(enqueue.IsCompleted);
        ((Jobs.Sqlite.Database)locked).Execute("UPDATE jobs_meta SET last = last + 1");
        ((Jobs.Sqlite.Database)locked).Commit();

        await enqueue.Soon();
        await transaction.CommitAsync(Cancellation);
        Assert.Equal(1, await Transport.CountAsync(Queue, Cancellation));
    }

    [Fact]
    public async Task A_connection_that_does_not_sync_its_commits_is_warned_of_once()
    {
        await using var connection = await ConnectionAsync();
        await using (var pragma = connection.CreateCommand())
        {
            pragma.CommandText = "PRAGMA synchronous=NORMAL";
            await pragma.ExecuteNonQueryAsync(Cancellation);
        }

        await using var transaction = (SqliteTransaction)await connection.BeginTransactionAsync(Cancellation);
        await Dispatcher.EnqueueAsync(Order(), transaction, Cancellation);
        await Dispatcher.EnqueueAsync(Order(), transaction, Cancellation);
        await transaction.CommitAsync(Cancellation);

        Assert.Single(lines.Written, 504);
    }

    static Job Order() => new("orders.confirm", [1]) { Queue = Queue };

    static IHost Memory()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddJobs(jobs => jobs.UseInMemory());
        return builder.Build();
    }

    async Task<JobSubscription> SubscribeAsync() => await Transport.SubscribeAsync(new() { Queues = [Queue], Prefetch = 20 }, Cancellation);

    async Task<SqliteConnection> ConnectionAsync()
    {
        var connection = new SqliteConnection($"Data Source={file.Path};Pooling=False");
        await connection.OpenAsync(Cancellation);
        await Transport.CountAsync(Queue, Cancellation); // the file has its tables
        await using var create = connection.CreateCommand();
        create.CommandText = Orders.Table;
        await create.ExecuteNonQueryAsync(Cancellation);
        return connection;
    }

    static async Task InsertAsync(SqliteConnection connection, SqliteTransaction transaction)
    {
        await using var insert = connection.CreateCommand();
        (insert.CommandText, insert.Transaction) = ("INSERT INTO Orders VALUES (1)", transaction);
        await insert.ExecuteNonQueryAsync(Cancellation);
    }

    static async Task<long> RowsAsync(SqliteConnection connection, SqliteTransaction? transaction = null)
    {
        await using var count = connection.CreateCommand();
        (count.CommandText, count.Transaction) = ("SELECT count(*) FROM Orders", transaction);
        return (long)(await count.ExecuteScalarAsync(Cancellation))!;
    }

    sealed class Orders(string path) : DbContext
    {
        public const string Table = "CREATE TABLE IF NOT EXISTS Orders (Id INTEGER PRIMARY KEY)";

        protected override void OnConfiguring(DbContextOptionsBuilder options) => options.UseSqlite($"Data Source={path};Pooling=False");

        protected override void OnModelCreating(ModelBuilder model) => model.Entity<OrderRow>().ToTable("Orders");
    }

    sealed class OrderRow
    {
        public long Id { get; set; }
    }

    sealed class NoTransaction : DbTransaction
    {
        public override System.Data.IsolationLevel IsolationLevel => default;

        protected override DbConnection? DbConnection => null;

        public override void Commit()
        {
        }

        public override void Rollback()
        {
        }
    }

    sealed class Lines : ILoggerProvider, ILogger
    {
        public System.Collections.Concurrent.ConcurrentQueue<int> Written { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Written.Enqueue(eventId.Id);

        public void Dispose()
        {
        }
    }
}
