using Microsoft.Extensions.Logging;

namespace Jobs.Sqlite;

/// <summary>One owner of claimed messages, or one reader of a journal.</summary>
sealed record Session(long No, SessionFile File);

/// <summary>
/// Begins and ends the sessions of this process, and puts back the messages of sessions whose processes are gone.
/// </summary>
sealed class Sessions
{
    readonly Writer writer;
    readonly DatabaseFile file;
    readonly Doorbell bell;
    readonly ILogger logger;
    readonly Lock gate = new();
    readonly Dictionary<long, Session> own = [];

    // How long the end of a session may hold up a stop while somebody keeps the file locked. It then goes on in the
    // background, and the lock of its file is held until it is done or the process ends.
    static readonly TimeSpan patience = TimeSpan.FromSeconds(5);

    readonly TimeProvider time;
    bool hasCleaned; // once for each process is enough

    public Sessions(Writer writer, DatabaseFile file, Doorbell bell, TimeProvider time, ILogger logger) =>
        (this.writer, this.file, this.bell, this.time, this.logger) = (writer, file, bell, time, logger);

    /// <summary>Whether this process has a session, and so looks after the others.</summary>
    public bool HasOwn
    {
        get
        {
            lock (gate)
            {
                return own.Count > 0;
            }
        }
    }

    public async Task<Session> BeginAsync()
    {
        bell.Listen();
        var lockFile = SessionFile.Create(file.Sessions); // locked before anybody can find it in the table
        try
        {
            var no = await writer.DoAsync(
                tables => tables.Sessions.Add(lockFile.Name, bell.Address), needsSync: false).ConfigureAwait(false);
            var session = new Session(no, lockFile);
            lock (gate)
            {
                own[no] = session;
            }

            return session;
        }
        catch
        {
            lockFile.Delete();
            throw;
        }
    }

    /// <summary>Ends a session: its messages go back to their queues, and it leads no journal any more.</summary>
    public async Task EndAsync(Session session)
    {
        if (Forget(session))
        {
            var ending = EndCoreAsync(session);
            await Task.WhenAny(ending, Task.Delay(patience, time)).ConfigureAwait(false);
        }
    }

    async Task EndCoreAsync(Session session)
    {
        try
        {
            await writer.DoAsync(tables => tables.Sessions.Remove(session.No), needsSync: false).ConfigureAwait(false);
            session.File.Delete();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            session.File.Dispose(); // the lock is free now: the next search for dead sessions finds what is left
        }
    }

    /// <summary>Ends a session as the death of its process would; for tests.</summary>
    internal void Abandon(Session session)
    {
        Forget(session);
        session.File.Dispose();
    }

    /// <summary>Ends the sessions whose processes are gone: their messages go back to their queues.</summary>
    public async Task BuryDeadAsync()
    {
        var files = hasCleaned ? [] : SessionFile.All(file.Sessions); // before the table is read, so that it names those that have begun
        var others = await writer.DoAsync(tables => tables.Sessions.All(), needsSync: false).ConfigureAwait(false);
        hasCleaned = true;
        SessionFile.DeleteOrphans(file.Sessions, files, others.Select(session => session.File).ToHashSet(StringComparer.Ordinal));
        var (living, dead) = (new HashSet<string>(), new HashSet<string>());
        foreach (var (no, name, address) in others)
        {
            bool isOwn;
            lock (gate)
            {
                isOwn = own.ContainsKey(no);
            }

            if (isOwn || !SessionFile.IsFree(file.Sessions, name))
            {
                living.Add(address);
                continue;
            }

            dead.Add(address);
            var returned = await writer.DoAsync(tables => tables.Sessions.Remove(no), needsSync: false).ConfigureAwait(false);
            SessionFile.Delete(file.Sessions, name);
            if (returned > 0)
            {
                Log.SessionDied(logger, returned);
            }
        }

        bell.Watch(living);
        foreach (var address in dead.Except(living).Where(address => address.Length > 0 && address != bell.Address))
        {
            SessionFile.Delete(file.Sessions, Path.GetFileName(address));
        }
    }

    bool Forget(Session session)
    {
        lock (gate)
        {
            return own.Remove(session.No);
        }
    }
}

/// <summary>The table of sessions, on the writer's thread.</summary>
sealed class SessionRows(Tables tables)
{
    readonly Statement add = tables.Database.Prepare("INSERT INTO jobs_session (file, bell) VALUES (?1, ?2) RETURNING no");
    readonly Statement remove = tables.Database.Prepare("DELETE FROM jobs_session WHERE no = ?1");
    readonly Statement all = tables.Database.Prepare("SELECT no, file, bell FROM jobs_session");

    public long Add(string file, string bell) => add.Bind(1, file).Bind(2, bell).Single()!.Value;

    /// <returns>How many messages went back to their queues.</returns>
    public int Remove(long session)
    {
        var returned = tables.ReleaseAll(session);
        tables.Journals.Resign(session);
        tables.Events.Forget(session);
        remove.Bind(1, session).Run();
        return returned;
    }

    public List<(long No, string File, string Bell)> All()
    {
        var found = new List<(long, string, string)>();
        while (all.Step())
        {
            found.Add((all.Number(0), all.Text(1), all.Text(2)));
        }

        return found;
    }
}
