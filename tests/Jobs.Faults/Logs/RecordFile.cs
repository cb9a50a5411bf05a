using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace Jobs.Faults.Logs;

/// <summary>
/// An append-only log of one process. Every record is handed to the kernel before <see cref="Write(Said, JobKey, int)"/> returns: SIGKILL loses nothing
/// of it. (A power cut would; the machine is not what is broken here.)
/// </summary>
sealed class RecordFile(string path) : IDisposable
{
    readonly Lock gate = new();
    readonly SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
    readonly byte[] bytes = new byte[LogRecord.Length];
    long length;

    public void Write(Said said, JobKey key, int attempt = 0)
    {
        lock (gate)
        {
            // The time is taken under the lock, so that a file is in order.
            new LogRecord(Stopwatch.GetTimestamp(), said, key, (byte)Math.Min(attempt, byte.MaxValue)).WriteTo(bytes);
            RandomAccess.Write(file, bytes, length);
            length += bytes.Length;
        }
    }

    /// <summary>Stands for this process in records about the keeper: the end of its id, which other processes hardly share.</summary>
    public static int Process => Environment.ProcessId & ushort.MaxValue;

    /// <summary>A record that is about the process and no job.</summary>
    public void Write(Said said, int number = 0, int queue = 0) => Write(said, new JobKey(0, (ushort)queue, number));

    /// <param name="process">Which kind of process, in place of the queue.</param>
    public void WriteMemory(int process)
    {
        Write(Said.WorkingSet, (int)(Environment.WorkingSet / 1024), process);
        Write(Said.Heap, (int)(GC.GetTotalMemory(forceFullCollection: false) / 1024), process);
    }

    public void Dispose() => file.Dispose();
}
