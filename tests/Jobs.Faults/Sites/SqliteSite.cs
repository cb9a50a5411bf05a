using System.Globalization;
using Jobs.Brokers;
using Jobs.Faults.Load;
using Jobs.Faults.Logs;
using Jobs.Sqlite;
using Microsoft.Data.Sqlite;

namespace Jobs.Faults.Sites;

/// <summary>
/// A database file in place of a cluster: producers and workers are processes of this machine that share the file. It
/// lies on a small disk of its own (tmpfs) where that may be mounted, so that the disk can be filled.
/// </summary>
sealed class SqliteSite : Site
{
    const string Scheme = "sqlite:";
    const string DiskSize = "512m";

    readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("jobs-faults-sqlite-");
    int producers = 100; // numbers of producers that are killed, after those of the run

    SqliteSite()
    {
    }

    public override string Description => $"SQLite {Version()}, one file {(HasOwnDisk ? $"on a tmpfs of {DiskSize}" : "in the temporary directory")}";

    /// <summary>Whether the disk may be filled.</summary>
    public bool HasOwnDisk { get; private init; }

    /// <summary>The file that workers read their clock's error from, in seconds.</summary>
    public static string ClockOf(string uri) => $"{FileOf(uri)}.clock";

    public string File => Path.Combine(directory.FullName, "jobs.db");

    public override IReadOnlyList<SiteNode> Nodes => [];

    public override TcpProxy Network => throw new NotSupportedException("A file has no network.");

    public override string ClientUri => Scheme + File;

    public override SiteManagement? Management => null;

    public override bool HasBroker => false;

    public static bool Is(string uri) => uri.StartsWith(Scheme, StringComparison.Ordinal);

    public static string FileOf(string uri) => uri[Scheme.Length..];

    public static async Task<SqliteSite> StartAsync()
    {
        var site = new SqliteSite();
        var mounted = await TryAsync("mount", "-t", "tmpfs", "-o", $"size={DiskSize}", "jobs-faults", site.directory.FullName);
        return mounted ? new SqliteSite(site.directory) { HasOwnDisk = true } : site;
    }

    SqliteSite(DirectoryInfo directory)
    {
        this.directory.Delete();
        this.directory = directory;
    }

    public ushort NextProducer() => (ushort)Interlocked.Increment(ref producers);

    /// <summary>Fills the disk to the last byte.</summary>
    public async Task FillAsync()
    {
        await using var filler = new FileStream(Filler, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        var block = new byte[64 * 1024];
        for (var size = block.Length; size >= 512;)
        {
            try
            {
                await filler.WriteAsync(block.AsMemory(0, size));
            }
            catch (IOException)
            {
                size /= 2;
            }
        }
    }

    public void SetClocks(TimeSpan error) =>
        System.IO.File.WriteAllText(ClockOf(ClientUri), error.TotalSeconds.ToString(CultureInfo.InvariantCulture));

    public override Task HealAsync(Action<string> say)
    {
        System.IO.File.Delete(Filler);
        SetClocks(TimeSpan.Zero);
        return Task.CompletedTask;
    }

    /// <summary>What is in the file, or <see langword="null"/> when nothing is that workers have to run.</summary>
    public async Task<string?> LeftAsync()
    {
        await using var connection = await OpenAsync();
        await using var count = connection.CreateCommand();
        count.CommandText = $"""
            SELECT (SELECT count(*) FROM jobs_ready JOIN jobs_queue ON no = queue WHERE name <> '{LoadQueues.DeadLetters}'),
                   (SELECT count(*) FROM jobs_delayed), (SELECT count(*) FROM jobs_claimed)
            """;
        await using var row = await count.ExecuteReaderAsync();
        await row.ReadAsync();
        var (ready, delayed, claimed) = (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2));
        return ready + delayed + claimed == 0 ? null : $"{ready} ready, {delayed} delayed and {claimed} claimed messages";
    }

    public async Task<List<Letter>> DeadLettersAsync(RunFolder folder)
    {
        await using var connection = await OpenAsync();
        await using var select = connection.CreateCommand();
        select.CommandText = $"SELECT head FROM jobs_message JOIN jobs_ready USING (seq) JOIN jobs_queue ON no = queue WHERE name = '{LoadQueues.DeadLetters}'";
        await using var rows = await select.ExecuteReaderAsync();
        using var records = new RecordFile(folder.NewFile("dead") + ".bin");
        var letters = new List<Letter>();
        while (await rows.ReadAsync())
        {
            var message = StoredMessage.Read((byte[])rows[0], default);
            var letter = new Letter(message.CorrelationId, Header("x-jobs-dead-reason") ?? "no reason", Header("x-jobs-dead-queue") ?? "?");
            letters.Add(letter);
            if (JobKey.TryParse(letter.Id, out var key))
            {
                records.Write(Said.DeadLetter, key);
            }

            string? Header(string name) => message.Headers.GetValueOrDefault(name) as string;
        }

        return letters;
    }

    public override async ValueTask DisposeAsync()
    {
        SqliteConnection.ClearAllPools();
        if (HasOwnDisk)
        {
            await TryAsync("umount", "--lazy", directory.FullName);
        }

        directory.Delete(recursive: true);
    }

    string Filler => Path.Combine(directory.FullName, "filler");

    async Task<SqliteConnection> OpenAsync()
    {
        var connection = new SqliteConnection($"Data Source={File};Mode=ReadOnly;Pooling=False");
        await connection.OpenAsync();
        return connection;
    }

    static string Version()
    {
        using var connection = new SqliteConnection("Data Source=:memory:");
        connection.Open();
        return connection.ServerVersion;
    }

    static async Task<bool> TryAsync(string program, params string[] arguments)
    {
        try
        {
            await Command.RunAsync(program, arguments, environment: null, TimeSpan.FromSeconds(10));
            return true;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
