using System.Globalization;
using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Disks and files on which jobs cannot be kept: the caller hears of it, and never of a success.</summary>
public sealed class BadGroundTests : IDisposable
{
    static readonly TimeSpan second = TimeSpan.FromSeconds(1);

    readonly SqliteFile file = new();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task A_publish_to_a_file_that_may_not_grow_fails_and_the_next_one_works_when_it_may()
    {
        await using var worker = new WorkerProcess(file.Path, ignoresFileSizeSignal: true);
        worker.Do("publish first 10");
        await worker.SaysAsync("sent first");
        await LimitAsync(worker, $"{new FileInfo($"{file.Path}-wal").Length + 1000}:");

        worker.Do("publish second 10");
        Assert.Contains("disk", await worker.SaysAsync("failed second no "), StringComparison.Ordinal);

        await LimitAsync(worker, "unlimited:");
        worker.Do("publish third 10");
        await worker.SaysAsync("sent third");
        Assert.Equal(2, file.Single("SELECT count(*) FROM jobs_message"));
    }

    [Fact]
    public async Task A_publish_to_a_full_disk_fails_and_the_next_one_works_when_there_is_space()
    {
        await using var disk = await SmallDisk.MountAsync(file.Folder);
        var path = Path.Combine(disk.Path, "jobs.db");
        await using (var transport = SqliteFile.Open(path))
        {
            await PublishAsync(transport, "first");
            await using var subscription = await transport.SubscribeAsync(new() { Queues = ["other"], Prefetch = 1 }, Stop);
            disk.Fill();

            var thrown = await Assert.ThrowsAsync<JobPublishException>(() => PublishAsync(transport, "second", body: new string('x', 50_000)));
            Assert.False(thrown.MaybeEnqueued);
            Assert.Contains("the disk is full", thrown.Message, StringComparison.Ordinal);
            Assert.Contains("full", (await transport.CheckHealthAsync(Stop)).Connection.Problem, StringComparison.Ordinal);

            disk.Empty();
            await PublishAsync(transport, "third");
            Assert.True((await transport.CheckHealthAsync(Stop)).Connection.IsUp);
            Assert.Equal(2, await transport.CountAsync("work", Stop));
        }
    }

    [Fact]
    public async Task A_publish_to_a_file_that_another_program_locks_fails_in_time_and_leaves_nothing()
    {
        await using var transport = file.Open();
        await PublishAsync(transport, "first");
        using (await file.LockAsync())
        {
            var thrown = await Assert.ThrowsAsync<JobPublishException>(() => PublishAsync(transport, "second", second));
            Assert.False(thrown.MaybeEnqueued);
            Assert.True(thrown.IsTransient);
            Assert.Contains("locked", thrown.Message, StringComparison.Ordinal);
        }

        await PublishAsync(transport, "third");
        Assert.Equal(2, await transport.CountAsync("work", Stop));
    }

    [Fact]
    public async Task A_file_that_another_program_locks_can_be_opened_once_its_tables_are_there()
    {
        await using (var before = file.Open())
        {
            Assert.Empty(before.Problems());
        }

        await using var transport = file.Open();
        using var other = await file.LockAsync();

        Assert.Empty(transport.Problems());
        var thrown = await Assert.ThrowsAsync<JobPublishException>(() => PublishAsync(transport, "second", second));
        Assert.False(thrown.MaybeEnqueued);
    }

    [Fact]
    public async Task A_file_that_may_not_be_written_is_named_at_start()
    {
        await using (var before = file.Open())
        {
            Assert.Empty(before.Problems());
        }

        await using var locked = await ReadOnlyFile.MakeAsync(file.Path);
        await using var transport = file.Open();

        var problem = Assert.Single(transport.Problems());
        Assert.Contains(file.Path, problem, StringComparison.Ordinal);
        Assert.Contains("may not be written", problem, StringComparison.Ordinal);
        Assert.False((await Assert.ThrowsAsync<JobPublishException>(() => PublishAsync(transport, "x"))).MaybeEnqueued);
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_named_at_start_and_left_alone()
    {
        var garbage = new byte[20_000];
        new Random(3).NextBytes(garbage);
        await File.WriteAllBytesAsync(file.Path, garbage, Stop);
        await using var transport = file.Open();

        var problem = Assert.Single(transport.Problems());
        Assert.Contains(file.Path, problem, StringComparison.Ordinal);
        Assert.Contains("no SQLite database", problem, StringComparison.Ordinal);
        Assert.Equal(garbage, await File.ReadAllBytesAsync(file.Path, Stop));
    }

    [Fact]
    public async Task A_publish_to_a_damaged_file_fails()
    {
        await using (var before = file.Open())
        {
            await PublishAsync(before, "first");
        }

        await using (var stream = new FileStream(file.Path, FileMode.Open))
        {
            stream.Position = 4096; // the tables behind the first page, which says where they are
            stream.Write(Enumerable.Repeat((byte)0xA5, (int)stream.Length - 4096).ToArray());
        }

        await using var transport = file.Open();
        var thrown = await Assert.ThrowsAsync<JobPublishException>(() => PublishAsync(transport, "second"));
        Assert.False(thrown.MaybeEnqueued);
        Assert.Contains("damaged", thrown.Message, StringComparison.Ordinal);
        Assert.False((await transport.CheckHealthAsync(Stop)).Connection.IsUp);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task No_publish_to_a_file_that_is_gone_succeeds(bool throughLink, bool replaced)
    {
        var path = file.Path;
        if (throughLink)
        {
            var link = Path.Combine(file.Folder.FullName, "link");
            Directory.CreateSymbolicLink(link, Directory.CreateDirectory(Path.Combine(file.Folder.FullName, "real")).FullName);
            path = Path.Combine(link, "jobs.db");
        }

        await using (var transport = SqliteFile.Open(path))
        {
            await PublishAsync(transport, "first");
            if (replaced)
            {
                await using (var other = SqliteFile.Open($"{path}.new"))
                {
                    Assert.Empty(other.Problems());
                }

                File.Move($"{path}.new", path, overwrite: true);
            }
            else
            {
                File.Delete(path);
            }

            for (var i = 0; i < 3; i++)
            {
                var thrown = await Assert.ThrowsAsync<JobPublishException>(() => PublishAsync(transport, $"lost {i}"));
                Assert.Contains("deleted or replaced", thrown.Message, StringComparison.Ordinal);
            }

            Assert.False((await transport.CheckHealthAsync(Stop)).Connection.IsUp);
        }
    }

    [Fact]
    public async Task A_file_of_a_newer_version_is_refused()
    {
        await using (var before = file.Open())
        {
            Assert.Empty(before.Problems());
        }

        using (var database = Database.Open(file.Path))
        {
            database.Execute("UPDATE jobs_meta SET version = 4");
        }

        await using var transport = file.Open();
        Assert.Contains("version 4", Assert.Single(transport.Problems()), StringComparison.Ordinal);
        Assert.False((await Assert.ThrowsAsync<JobPublishException>(() => PublishAsync(transport, "x"))).MaybeEnqueued);
    }

    [Theory]
    [InlineData(1, "DROP TABLE jobs_history; DROP TABLE jobs_pending; DROP TABLE jobs_result")]
    [InlineData(1, "DROP TABLE jobs_history; DROP TABLE jobs_pending; CREATE TABLE jobs_pending (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")]
    [InlineData(2, "DROP TABLE jobs_history")]
    public async Task A_file_of_an_older_version_is_changed_at_the_start_and_keeps_its_jobs(int version, string tablesOfThen)
    {
        await using (var before = file.Open())
        {
            await PublishAsync(before, "old");
        }

        using (var database = Database.Open(file.Path))
        {
            database.Execute($"DROP TABLE jobs_question; DROP TABLE jobs_event; DROP TABLE jobs_listener; {tablesOfThen}; UPDATE jobs_meta SET version = {version}");
        }

        await using var transport = file.Open();
        Assert.Empty(transport.Problems());
        await transport.PublishAsync(new Outgoing("work", TestMessage.Of("new")) { UnlessPending = true }, Wait.Deadline, Stop);
        Assert.Null(await transport.Results.ReadAsync("old", Stop));
        await using var subscription = await transport.SubscribeAsync(new() { Queues = ["work"], Prefetch = 2 }, Stop);
        Assert.Equal("old", (await subscription.NextAsync().Soon())!.Message.CorrelationId);
        Assert.Equal("new", (await subscription.NextAsync().Soon())!.Message.CorrelationId);
        Assert.Equal(3, file.Single("SELECT version FROM jobs_meta"));
        await transport.History.AppendAsync([new byte[] { 7 }], Stop);
        await using var reader = transport.History.Read(LogStart.Beginning);
        Assert.Equal([7], Assert.Single(await reader.NextAsync(Stop).Soon()).Bytes.ToArray());
    }

    // A snapshot that somebody reads keeps SQLite from beginning the log anew. When the reader has gone, the log is cut off.
    [Fact]
    public async Task The_log_grows_while_somebody_reads_for_long_and_shrinks_afterwards()
    {
        const long Bound = 64 * 1024 * 1024;
        await using var transport = file.Open();
        await PublishAsync(transport, "first");
        var log = new FileInfo($"{file.Path}-wal");
        using (var reader = Database.Open(file.Path))
        {
            reader.Execute("BEGIN; SELECT count(*) FROM jobs_message");
            var body = new string('x', 1024 * 1024);
            for (var i = 0; i < 70; i++)
            {
                await PublishAsync(transport, $"{i}", body: body);
            }

            log.Refresh();
            Assert.True(log.Length > Bound, $"The log has {log.Length} bytes.");
        }

        for (var i = 0; i < 70; i++)
        {
            await PublishAsync(transport, $"after {i}");
        }

        log.Refresh();
        Assert.True(log.Length < Bound, $"The log has {log.Length} bytes.");
    }

    [Fact]
    public async Task A_file_that_lacks_a_table_is_named_at_start()
    {
        await using (var before = file.Open())
        {
            Assert.Empty(before.Problems());
        }

        using (var database = Database.Open(file.Path))
        {
            database.Execute("DROP TABLE jobs_delayed");
        }

        await using var transport = file.Open();
        Assert.Contains("jobs_delayed", Assert.Single(transport.Problems()), StringComparison.Ordinal);
        Assert.False((await Assert.ThrowsAsync<JobPublishException>(() => PublishAsync(transport, "x"))).MaybeEnqueued);
    }

    [Fact]
    public async Task A_place_without_file_locks_is_refused()
    {
        await using var worker = new WorkerProcess(
            file.Path, environment: new Dictionary<string, string> { ["DOTNET_SYSTEM_IO_DISABLEFILELOCKING"] = "1" });
        worker.Do("problems");
        Assert.Contains("File locks do not work", await worker.SaysAsync("problems"), StringComparison.Ordinal);
        worker.Do("publish x 10");
        await worker.SaysAsync("failed x no");
    }

    [Theory]
    [InlineData("nfs")]
    [InlineData("nfs4")]
    [InlineData("smb")]
    [InlineData("SMB2")]
    [InlineData("smb3")]
    [InlineData("smbfs")]
    [InlineData("cifs")]
    [InlineData("9p")]
    [InlineData("v9fs")]
    [InlineData("ceph")]
    [InlineData("fuse.sshfs")]
    [InlineData("fuse.s3fs")]
    [InlineData("fuse.glusterfs")]
    public void A_network_file_system_is_refused_before_anything_is_made_there(string name)
    {
        var thrown = Assert.Throws<JobTransportException>(() => DatabaseFile.Prepare(file.Path, TimeProvider.System, name));
        Assert.False(thrown.IsTransient);
        Assert.Contains($"{file.Path} is on a network file system ({name})", thrown.Message, StringComparison.Ordinal);
        Assert.Empty(file.Folder.GetFileSystemInfos());
    }

    [Theory]
    [InlineData("ext4")]
    [InlineData("xfs")]
    [InlineData("overlay")]
    [InlineData("fuseblk")] // NTFS of this machine
    public void A_file_system_of_this_machine_is_tried_and_taken(string name)
    {
        using var database = DatabaseFile.Prepare(file.Path, TimeProvider.System, name).Database;
        Assert.True(File.Exists(file.Path));
    }

    [Theory]
    [InlineData(":memory:")]
    [InlineData("file:jobs.db?mode=memory")]
    [InlineData("Data Source=jobs.db")]
    [InlineData(" ")]
    public async Task A_name_that_is_no_path_of_a_file_is_refused(string name)
    {
        await using var services = new ServiceCollection().AddLogging().AddJobs(jobs => jobs.UseSqlite(name)).BuildServiceProvider();

        Assert.Contains("Jobs:Sqlite:File", Assert.Single(services.GetRequiredService<JobTransport>().Problems()), StringComparison.Ordinal);
        Assert.False(File.Exists(name));
    }

    static Task LimitAsync(WorkerProcess worker, string bytes) =>
        WorkerProcess.RunAsync("prlimit", "--pid", worker.Id.ToString(CultureInfo.InvariantCulture), $"--fsize={bytes}");

    static Task PublishAsync(SqliteTransport transport, string id, TimeSpan? timeout = null, string body = "[[],{},{}]") =>
        transport.PublishAsync(new Outgoing("work", TestMessage.Of(id, body: body)), timeout ?? Wait.Deadline, Stop).AsTask();
}
