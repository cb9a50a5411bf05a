namespace Jobs.Sqlite;

/// <summary>
/// The proof that a session is alive: its process holds a lock on this file. The system frees the lock when the process
/// ends, however it ends, and at no other time: a process that is suspended keeps it.
/// </summary>
sealed class SessionFile : IDisposable
{
    const int MostTries = 100;

    readonly FileStream stream;

    SessionFile(FileStream stream) => this.stream = stream;

    /// <summary>The name in the directory; never used twice.</summary>
    public string Name => Path.GetFileName(stream.Name);

    /// <remarks>
    /// The system makes the file first and locks it then. A search for orphans between the two takes the file for one:
    /// it takes the lock, removes the file, and frees the lock. We then either get no lock, or the lock of a file
    /// without a name. So we look for the name after we have the lock; from then on nobody else can get the lock.
    /// </remarks>
    public static SessionFile Create(string directory)
    {
        for (var tries = 1; ; tries++)
        {
            var path = Path.Combine(directory, $"{Guid.NewGuid():N}.lock");
            try
            {
                var file = new SessionFile(new(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 0));
                if (File.Exists(path))
                {
                    return file;
                }

                file.Dispose();
            }
            catch (IOException) when (tries < MostTries)
            {
                // Somebody else, such as a virus scanner or a search for orphans, locked the new file before us. We try
                // another name.
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

    /// <summary>
    /// Removes the files that nobody locks and no session has: their processes died before the session was in the
    /// table.
    /// </summary>
    /// <param name="directory">The directory.</param>
    /// <param name="paths">The files that were there before the sessions were read.</param>
    /// <param name="names">
    /// The names of the sessions' files. Their sessions are buried, which removes the files too.
    /// </param>
    public static void DeleteOrphans(string directory, IEnumerable<string> paths, IReadOnlySet<string> names)
    {
        foreach (var name in paths.Select(path => Path.GetFileName(path)).Where(name => !names.Contains(name)))
        {
            try
            {
                using (new FileStream(Path.Combine(directory, name), FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0))
                {
                    Delete(directory, name); // while we have the lock: see Create
                }

                Delete(directory, name); // Windows removes no open file, and makes and locks a file in one step
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Its session lives, or is about to begin.
            }
        }
    }

    /// <summary>All files of sessions in a directory.</summary>
    public static string[] All(string directory) => Directory.GetFiles(directory, "*.lock");

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
