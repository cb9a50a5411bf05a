using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>What the health says of the file and its disk.</summary>
public sealed class FileHealthTests : IDisposable
{
    readonly SqliteFile file = new();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task The_health_names_the_file_its_free_space_and_the_size_of_its_log()
    {
        await using var transport = file.Open();
        await PublishAsync(transport, new string('x', 100_000));

        var health = await transport.CheckHealthAsync(Stop);

        Assert.Null(health.Warning);
        Assert.Equal(file.Path, health.Facts["file"]);
        Assert.InRange((long)health.Facts["free_bytes"], 64 << 20, long.MaxValue);
        Assert.Equal(new FileInfo($"{file.Path}-wal").Length, health.Facts["wal_bytes"]);
        Assert.InRange((long)health.Facts["wal_bytes"], 100_000, long.MaxValue);
    }

    [Fact]
    public async Task Little_space_on_the_disk_of_the_file_is_a_warning()
    {
        await using var disk = await SmallDisk.MountAsync(file.Folder);
        var path = Path.Combine(disk.Path, "jobs.db");
        await using (var transport = SqliteFile.Open(path))
        {
            await PublishAsync(transport);

            var health = await transport.CheckHealthAsync(Stop);

            Assert.True(health.Connection.IsUp);
            Assert.InRange((long)health.Facts["free_bytes"], 1, 2 << 20);
            Assert.Contains($"The disk of {path} has 1 MiB of space left", health.Warning, StringComparison.Ordinal);
        }
    }

    // Whoever opens and closes one of SQLite's files drops the locks that this process has on it.
    [Fact]
    public async Task To_ask_for_the_health_frees_no_lock()
    {
        await using var transport = file.Open();
        await PublishAsync(transport);
        using var locked = await file.LockAsync();

        await transport.CheckHealthAsync(Stop);

        await using var other = new WorkerProcess(file.Path);
        other.Do("publish job 1");
        Assert.Contains("locked", await other.SaysAsync("failed job no"), StringComparison.Ordinal);
    }

    static Task PublishAsync(SqliteTransport transport, string body = "[[],{},{}]") =>
        transport.PublishAsync(new Outgoing("work", TestMessage.Of(body: body)), Wait.Deadline, Stop).AsTask();
}
