using System.Globalization;
using Jobs.Transport;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Jobs.Sqlite;

/// <summary>The database file and its place: whether Jobs can be safe there, and whether it is still there.</summary>
sealed class DatabaseFile
{
    /// <summary>The name of the log's size in the facts of the health check, in bytes.</summary>
    public const string LogFact = "wal_bytes";

    /// <summary>The name of the free space there, in bytes.</summary>
    public const string FreeFact = "free_bytes";

    // Before this version, two connections that write and checkpoint at the same instant can corrupt the file:
    // https://sqlite.org/releaselog/3_51_3.html
    const int OldestVersion = 3_051_003;

    static readonly TimeSpan openTimeout = TimeSpan.FromSeconds(10);

    // As Linux and macOS name them. Those that are missing here are tried, as every other one: see SessionFile.LocksWork.
    static readonly HashSet<string> networkFileSystems = new(StringComparer.OrdinalIgnoreCase)
    {
        "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "afpfs", "ncpfs", "webdav", "9p", "v9fs", "ceph", "lustre", "sshfs",
        "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.blobfuse2",
    };

    const long LittleSpace = 64 << 20;

    // As on Linux.
    const int MostLinks = 40;

    // What Linux puts behind the name of an open file that has been deleted.
    const string Deleted = " (deleted)";

    string name = "";
    Database? database;
    string? descriptor;
    bool isWatched;

    DatabaseFile(string path) => Path = path;

    /// <summary>
    /// The full path, without symbolic links: processes that name the file differently must share its sessions.
    /// </summary>
    public string Path { get; }

    /// <summary>The directory with a small file for each session.</summary>
    public string Sessions => $"{Path}-sessions";

    string Log => $"{Path}-wal";

    /// <summary>Makes the file and its tables, or finds them.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="time">The clock.</param>
    /// <param name="fileSystem">The name of the file system, for tests; by default the system is asked.</param>
    /// <exception cref="JobTransportException">Jobs would not be safe there, or the file cannot be used.</exception>
    public static DatabaseFile Prepare(string path, TimeProvider time, string? fileSystem = null)
    {
        var file = new DatabaseFile(System.IO.Path.GetFullPath(path));
        try
        {
            file = new(RealPath(file.Path, MostLinks));
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(file.Path)!);
            file.CheckGround(fileSystem);
            file.database = Database.Open(file.Path); // which loads SQLite
            CheckVersion();
            file.MakeTables(time);
            file.name = file.database.FileName;
            return file;
        }
        catch (Exception e)
        {
            file.database?.Dispose();
            if (e is SqliteException or IOException or UnauthorizedAccessException)
            {
                throw SqliteErrors.CannotUse(file.Path, e);
            }

            throw;
        }
    }

    /// <summary>
    /// The connection that has found the tables. It is never closed and opened again: the last process that closes the
    /// file locks it for a moment, which the first one to open it again would run into.
    /// </summary>
    public Database Database => database!;

    /// <summary>Whether another connection has opened this file.</summary>
    public bool IsOf(Database other) => other.FileName == name;

    /// <summary>Begins to watch the file. A connection must be open, and stay open.</summary>
    public void Watch()
    {
        descriptor = FindDescriptor();
        isWatched = descriptor is not null;
    }

    /// <summary>
    /// Whether the file has been deleted, or another one put in its place: what is written then goes to a file that
    /// nobody finds again. SQLite does not notice.
    /// </summary>
    public bool IsGone()
    {
        if (!isWatched)
        {
            return !File.Exists(Path);
        }

        try
        {
            var target = descriptor is null ? null : new FileInfo(descriptor).LinkTarget;
            if (target != Path && target != Path + Deleted)
            {
                // The connection of this descriptor was closed, and another file may have its number.
                descriptor = FindDescriptor();
                return descriptor is null;
            }

            return target != Path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // too many open files, for example: this says nothing about the file
        }
    }

    /// <summary>How many pages of 4 KiB the write-ahead log has, also those that a checkpoint has emptied.</summary>
    public int LogPages() => (int)(LogBytes() / 4096);

    /// <summary>Adds the file, its free space and the size of its log to what is known of the transport.</summary>
    public TransportHealth Describe(TransportHealth health)
    {
        // Only what the system says of the names. Whoever closes one of these files drops the locks that SQLite has on it.
        var facts = new Dictionary<string, object> { ["file"] = Path, [LogFact] = LogBytes() };
        try
        {
            var free = new DriveInfo(System.IO.Path.GetDirectoryName(Path)!).AvailableFreeSpace;
            facts[FreeFact] = free;
            return health with { Facts = facts, Warning = free < LittleSpace ? TooLittle(free) : null };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return health with { Facts = facts }; // the directory is gone, for example, which the next commit finds out
        }
    }

    /// <summary>The size of the file, without its log.</summary>
    public long? Bytes => new FileInfo(Path) is { Exists: true } file ? file.Length : null;

    long LogBytes() => new FileInfo(Log) is { Exists: true } log ? log.Length : 0;

    string TooLittle(long free) => string.Create(CultureInfo.InvariantCulture,
        $"The disk of {Path} has {free >> 20} MiB of space left. Free some space: no job can be enqueued when the disk is full.");

    void CheckGround(string? fileSystem)
    {
        fileSystem ??= new DriveInfo(System.IO.Path.GetDirectoryName(Path)!).DriveFormat;
        if (networkFileSystems.Contains(fileSystem))
        {
            throw new JobTransportException(
                $"{Path} is on a network file system ({fileSystem}), where SQLite's locks do not work. Use a disk of this machine, or "
                    + "UseRabbitMq for several machines.");
        }

        Directory.CreateDirectory(Sessions);
        if (!SessionFile.LocksWork(Sessions))
        {
            throw new JobTransportException(
                $"File locks do not work in {Sessions} (file system {fileSystem}; or DOTNET_SYSTEM_IO_DISABLEFILELOCKING is set), "
                + "so Jobs could not tell a dead worker from a living one. Use a local disk.");
        }
    }

    static void CheckVersion()
    {
        if (raw.sqlite3_libversion_number() < OldestVersion)
        {
            throw new JobTransportException(
                $"SQLite {raw.sqlite3_libversion().utf8_to_string()} can corrupt a database that several connections use; Jobs needs 3.51.3 or later. "
                + "Update the package SQLitePCLRaw.bundle_e_sqlite3, or remove what replaces it.");
        }
    }

    void MakeTables(TimeProvider time)
    {
        var database = Database;
        var since = time.GetTimestamp();
        while (true)
        {
            try
            {
                database.Execute("PRAGMA journal_mode=WAL");
                if (Schema.IsThere(database, Path))
                {
                    return; // and whoever writes now did not have to end first
                }

                if (database.TryBegin())
                {
                    Schema.Ensure(database, Path);
                    database.Commit();
                    return;
                }
            }
            catch (SqliteException e) when (e.IsBusy())
            {
                // Another process makes the tables now.
            }

            if (time.GetElapsedTime(since) > openTimeout)
            {
                throw new JobTransportException($"{Path} stayed locked by another connection for {openTimeout.TotalSeconds} s. If that is an open transaction "
                    + "of this program, "
                    + "start the host before the transaction.", isTransient: true);
            }

            SpinWait.SpinUntil(static () => false, 1);
        }
    }

    static string RealPath(string path, int links)
    {
        if (System.IO.Path.GetDirectoryName(path) is not { } parent)
        {
            return path; // the root
        }

        var real = System.IO.Path.Combine(RealPath(parent, links), System.IO.Path.GetFileName(path));
        return new FileInfo(real).LinkTarget is not { } target ? real
            : links == 0 ? throw new IOException($"too many symbolic links lead to {real}")
            : RealPath(System.IO.Path.GetFullPath(target, System.IO.Path.GetDirectoryName(real)!), links - 1);
    }

    // On Linux the system tells the name of each open file of a process.
    string? FindDescriptor()
    {
        const string Descriptors = "/proc/self/fd";
        return Directory.Exists(Descriptors)
            ? Directory.EnumerateFileSystemEntries(Descriptors).FirstOrDefault(descriptor => new FileInfo(descriptor).LinkTarget == Path)
            : null;
    }
}
