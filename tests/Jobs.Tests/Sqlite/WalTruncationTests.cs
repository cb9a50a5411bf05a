using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>
/// A power cut keeps what was synced, and any part of what came later. So whatever an answered enqueue had brought into
/// the write-ahead log must be enough.
/// </summary>
public sealed class WalTruncationTests : IDisposable
{
    const int Header = 24 + 8; // of the log
    const int Frame = 24 + 4096;

    readonly SqliteFile file = new();
    readonly SqliteFile copy = new();

    public void Dispose()
    {
        file.Dispose();
        copy.Dispose();
    }

    [Fact]
    public async Task Every_answered_job_survives_a_log_that_is_cut_off_anywhere_behind_it()
    {
        var answered = new List<(string Id, long Length)>();
        await using (var transport = file.Open())
        {
            for (var i = 0; i < 40; i++)
            {
                var id = $"job {i}";
                var body = new string('x', i % 5 * 1500);
                await transport.PublishAsync(new Outgoing("work", TestMessage.Of(id, body: body)), Wait.Deadline, TestContext.Current.CancellationToken);
                answered.Add((id, LogLength()));
            }

            // Later transactions that nobody was told of, so that there is something to cut off behind the last job.
            await using var subscription = await transport.SubscribeAsync(
                new() { Queues = ["work"], Prefetch = 5 }, TestContext.Current.CancellationToken);

            // Not by this process: closing a descriptor of an open database drops the locks on it.
            await WorkerProcess.RunAsync("/bin/cp", file.Path, $"{file.Path}-wal", copy.Folder.FullName);
        }

        var database = await File.ReadAllBytesAsync(copy.Path, TestContext.Current.CancellationToken);
        var log = await File.ReadAllBytesAsync($"{copy.Path}-wal", TestContext.Current.CancellationToken);
        Assert.InRange(log.Length, answered[^1].Length, long.MaxValue);
        Assert.Equal(answered.Select(a => a.Length).Order(), answered.Select(a => a.Length)); // no checkpoint began the log anew
        Assert.Equal(40, answered.Select(a => a.Length).Distinct().Count()); // each answer came after something was written

        var boundaries = 0;
        for (var length = Header; length <= log.Length; length += Frame)
        {
            boundaries++;
            AssertHolds(database, log.AsSpan(0, length), answered, length, "at the end of a frame");
            if (boundaries % 7 == 0)
            {
                AssertHolds(database, log.AsSpan(0, length + Frame / 2 < log.Length ? length + Frame / 2 : length), answered, length, "within a frame");
                AssertHolds(database, [.. log.AsSpan(0, length), .. new byte[log.Length - length]], answered, length, "followed by zeros");
                AssertHolds(database, [.. log.AsSpan(0, length), .. Noise(log.Length - length)], answered, length, "followed by noise");
            }
        }

        Assert.InRange(boundaries, 80, int.MaxValue);
    }

    long LogLength() => new FileInfo($"{file.Path}-wal").Length;

    static byte[] Noise(int length)
    {
        var noise = new byte[length];
        new Random(length).NextBytes(noise);
        return noise;
    }

    void AssertHolds(byte[] database, ReadOnlySpan<byte> log, List<(string Id, long Length)> answered, int length, string how)
    {
        using var cut = new SqliteFile();
        File.WriteAllBytes(cut.Path, database);
        File.WriteAllBytes($"{cut.Path}-wal", log);
        var expected = answered.Where(a => a.Length <= length).Select(a => a.Id).ToList();
        if (expected.Count == 0)
        {
            return; // there may not even be a table
        }

        using var opened = Database.Open(cut.Path);
        opened.Execute("PRAGMA synchronous=OFF"); // nobody needs this copy again
        var found = Ids(opened);
        Assert.True(expected.Count <= found.Count && !expected.Except(found).Any(),
            $"The log was cut off at {length}, {how}: expected {expected.Count} jobs, and found {found.Count}.");
        Assert.Equal(0, opened.Single("SELECT count(*) FROM jobs_message WHERE seq NOT IN (SELECT seq FROM jobs_ready UNION SELECT seq FROM jobs_claimed)"));
        Assert.Equal(1, opened.Single("SELECT (SELECT integrity_check FROM pragma_integrity_check LIMIT 1) = 'ok'"));
    }

    static List<string> Ids(Database database)
    {
        var read = database.Prepare("SELECT head, body FROM jobs_message ORDER BY seq");
        var ids = new List<string>();
        while (read.Step())
        {
            ids.Add(StoredMessage.Read(read.Bytes(0), read.Bytes(1)).CorrelationId!);
        }

        return ids;
    }
}
