using System.Globalization;

namespace Jobs.Faults.Logs;

/// <summary>Where a run keeps its logs: <c>*.bin</c> are records, <c>*.log</c> are for people.</summary>
sealed class RunFolder
{
    readonly Lock gate = new();
    readonly StreamWriter story;
    readonly TimeProvider time = TimeProvider.System;
    readonly long started = TimeProvider.System.GetTimestamp();
    int files;

    public RunFolder(string? path, int run)
    {
        Run = run;
        Path = path ?? Directory.CreateTempSubdirectory("jobs-faults-").FullName;
        Directory.CreateDirectory(Path);
        if (Directory.EnumerateFileSystemEntries(Path).Any())
        {
            throw new ArgumentException($"--logs {Path}: the folder is not empty; records of another run would be counted as this one's.");
        }

        story = new(File.Open(System.IO.Path.Combine(Path, "run.log"), FileMode.CreateNew, FileAccess.Write, FileShare.Read)) { AutoFlush = true };
    }

    /// <summary>The first part of every id.</summary>
    public int Run { get; }

    public string Path { get; }

    /// <summary>All record files, of all processes that there were.</summary>
    public string[] Records => Directory.GetFiles(Path, "*.bin");

    /// <summary>A name without its extension that no other process of the run has.</summary>
    public string NewFile(string what) =>
        System.IO.Path.Combine(Path, string.Create(CultureInfo.InvariantCulture, $"{what}.{Interlocked.Increment(ref files):0000}"));

    /// <summary>To the console and to <c>run.log</c>.</summary>
    public void Say(string line)
    {
        var elapsed = time.GetElapsedTime(started);
        var text = string.Create(CultureInfo.InvariantCulture, $"{(int)elapsed.TotalMinutes,3}:{elapsed.Seconds:00}  {line}");
        lock (gate)
        {
            Console.WriteLine(text);
            story.WriteLine(text);
        }
    }
}
