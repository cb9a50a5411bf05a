using Microsoft.Win32.SafeHandles;

namespace Jobs.Faults.Logs;

/// <summary>Reads a log from where it stopped the last time; the process that writes it may still do so.</summary>
sealed class RecordReader(string path) : IDisposable
{
    readonly SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
    readonly byte[] buffer = new byte[LogRecord.Length * 2048];
    long position;
    int next;
    int filled;

    public string Path => path;

    /// <returns>Whether there was another one yet.</returns>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public bool TryRead(out LogRecord record)
    {
        if (next == filled)
        {
            var read = RandomAccess.Read(file, buffer, position);
            filled = read - read % LogRecord.Length;
            next = 0;
            position += filled;
            if (filled == 0)
            {
                record = default;
                return false;
            }
        }

        if (!LogRecord.TryRead(buffer.AsSpan(next, LogRecord.Length), out record))
        {
            throw new InvalidDataException($"{path} is damaged at byte {position - filled + next}; nothing that is said about this run can be trusted.");
        }

        next += LogRecord.Length;
        return true;
    }

    public void Dispose() => file.Dispose();

    /// <summary>All records of all logs in the order of their time.</summary>
    public static IEnumerable<LogRecord> Merge(IEnumerable<string> paths)
    {
        var readers = paths.Select(path => new RecordReader(path)).ToList();
        try
        {
            var heads = new PriorityQueue<(RecordReader Reader, LogRecord Record), long>();
            foreach (var reader in readers)
            {
                Next(reader, heads);
            }

            while (heads.TryDequeue(out var head, out _))
            {
                yield return head.Record;
                Next(head.Reader, heads);
            }
        }
        finally
        {
            readers.ForEach(reader => reader.Dispose());
        }

        static void Next(RecordReader reader, PriorityQueue<(RecordReader, LogRecord), long> heads)
        {
            if (reader.TryRead(out var record))
            {
                heads.Enqueue((reader, record), record.Time);
            }
        }
    }
}
