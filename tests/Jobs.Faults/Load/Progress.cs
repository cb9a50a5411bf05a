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
    readonly List<JobKey> died = [];

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

    /// <summary>The records of the process that is the keeper, as far as anybody said.</summary>
    public string? Keeper { get; private set; }

    /// <summary>When a process last began to look through the dead letters.</summary>
    public long LastSweep { get; private set; }

    /// <summary>Some of the jobs that died, spread over the run, at most so many.</summary>
    public IReadOnlyList<JobKey> SomeThatDied(int most)
    {
        lock (gate)
        {
            var step = Math.Max(1, (died.Count + most - 1) / most);
            return [.. died.Where((_, index) => index % step == 0)];
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
                    Note(record, path);
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

    void Note(LogRecord record, string path)
    {
        switch (record.Said)
        {
            case Said.Started or Said.Returned or Said.Failed or Said.Finished or Said.Died or Said.Interrupted:
                LastActivity = Math.Max(LastActivity, record.Time);
                if (record.Said == Said.Finished)
                {
                    Finished++;
                    finishedBy[record.Key.Producer] = finishedBy.GetValueOrDefault(record.Key.Producer) + 1;
                }
                else if (record.Said == Said.Died)
                {
                    died.Add(record.Key);
                }

                break;
            case Said.KeeperLeads:
                Keeper = path;
                break;
            case Said.KeeperLost when Keeper == path:
                Keeper = null;
                break;
            case Said.SweepBegan:
                LastSweep = record.Time;
                break;
            case Said.Subscribed or Said.ConsumerLost or Said.QueueGone:
                notes.Add(record);
                break;
        }
    }
}
