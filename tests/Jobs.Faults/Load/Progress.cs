using System.Diagnostics;
using Jobs.Faults.Logs;

namespace Jobs.Faults.Load;

/// <summary>Reads the workers' logs while they are written: how many jobs have run, and what the workers said of their queues.</summary>
sealed class Progress(RunFolder folder) : IDisposable
{
    readonly Lock gate = new();
    readonly Dictionary<string, RecordReader> readers = [];
    readonly List<LogRecord> notes = [];
    readonly Dictionary<ushort, long> finishedBy = [];

    /// <summary>When a job last started or ended, in <see cref="Stopwatch"/> ticks.</summary>
    public long LastActivity { get; private set; } = Stopwatch.GetTimestamp();

    /// <summary>Ends of jobs, duplicates included.</summary>
    public long Finished { get; private set; }

    public long FinishedOf(ushort producer)
    {
        lock (gate)
        {
            return finishedBy.GetValueOrDefault(producer);
        }
    }

    /// <summary>How often a line about a queue was logged since a time.</summary>
    public int Count(Said said, string queue, long since)
    {
        lock (gate)
        {
            var index = LoadQueues.IndexOf(queue);
            return notes.Count(note => note.Said == said && note.Key.Producer == index && note.Time >= since);
        }
    }

    /// <summary>Reads what is new.</summary>
    public void Refresh()
    {
        lock (gate)
        {
            foreach (var path in folder.Records)
            {
                if (!readers.TryGetValue(path, out var reader))
                {
                    readers[path] = reader = new(path);
                }

                while (reader.TryRead(out var record))
                {
                    Note(record);
                }
            }
        }
    }

    public void Dispose()
    {
        foreach (var reader in readers.Values)
        {
            reader.Dispose();
        }
    }

    void Note(LogRecord record)
    {
        switch (record.Said)
        {
            case Said.Started or Said.Failed or Said.Finished or Said.Interrupted:
                LastActivity = Math.Max(LastActivity, record.Time);
                if (record.Said == Said.Finished)
                {
                    Finished++;
                    finishedBy[record.Key.Producer] = finishedBy.GetValueOrDefault(record.Key.Producer) + 1;
                }

                break;
            case Said.Subscribed or Said.ConsumerLost or Said.QueueGone:
                notes.Add(record);
                break;
        }
    }
}
