namespace Jobs.Sqlite;

/// <summary>
/// The proof that a session is alive: its process holds a lock on this file. The system frees the lock when the process
/// ends, however it ends, and at no other time: a process that is suspended keeps it.
/// </summary>
sealed class SessionFile : IDisposable
{
    readonly FileStream stream;

    SessionFile(FileStream stream) => this.stream = stream;

    /// <summary>The name in the directory; never used twice.</summary>
    public string Name => Path.GetFileName(stream.Name);

    public static SessionFile Create(string directory)
    {
        while (true)
        {
            var path = Path.Combine(directory, $"{Guid.NewGuid():N}.lock");
            try
            {
                return new(new(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 0));
            }
            catch (IOException) when (File.Exists(path))
            {
                // Somebody else, for example a virus scanner, locked the new file before us. We try another name.
            }
        }
    }

    /// <summary>Whether a file that is locked can be told from one that is not: tries a lock that must fail.</summary>
    public static bool LocksWork(string directory)
    {
        using var mine = Create(directory);
        var works = !IsFree(directory, mine.Name);
        mine.Delete();
        return works;
    }

    /// <summary>Whether nobody holds the lock of a file, or the file is gone.</summary>
    public static bool IsFree(string directory, string name)
    {
        try
        {
            using var other = new FileStream(Path.Combine(directory, name), FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            return true;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Removes the file of a session that has ended.</summary>
    public static void Delete(string directory, string name)
    {
        try
        {
            File.Delete(Path.Combine(directory, name));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A file that stays does no harm: no session has its name again.
        }
    }

    public void Delete()
    {
        Delete(Path.GetDirectoryName(stream.Name)!, Name);
        Dispose();
    }

    /// <summary>Frees the lock, as the end of the process would.</summary>
    public void Dispose() => stream.Dispose();
}
