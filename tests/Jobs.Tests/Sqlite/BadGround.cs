using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>A disk of two megabytes.</summary>
sealed class SmallDisk : IAsyncDisposable
{
    SmallDisk(string path) => Path = path;

    public string Path { get; }

    string Filler => System.IO.Path.Combine(Path, "filler");

    public static async Task<SmallDisk> MountAsync(DirectoryInfo parent)
    {
        var path = parent.CreateSubdirectory("disk").FullName;
        try
        {
            await WorkerProcess.RunAsync("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path);
        }
        catch (Exception e)
        {
            Assert.Skip($"Only root can mount a small disk, and not everywhere: {e.Message}");
        }

        return new(path);
    }

    /// <summary>Takes all space that is left.</summary>
    public void Fill()
    {
        try
        {
            using var stream = new FileStream(Filler, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
            while (true)
            {
                stream.Write(new byte[4096]);
            }
        }
        catch (IOException)
        {
            // It is full.
        }
    }

    public void Empty() => File.Delete(Filler);

    public async ValueTask DisposeAsync() => await WorkerProcess.RunAsync("umount", Path);
}

/// <summary>A file that its own owner, even root, cannot write.</summary>
sealed class ReadOnlyFile : IAsyncDisposable
{
    readonly string path;

    ReadOnlyFile(string path) => this.path = path;

    public static async Task<ReadOnlyFile> MakeAsync(string path)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            await WorkerProcess.RunAsync("chmod", "400", path);
            return new(path);
        }

        try
        {
            await WorkerProcess.RunAsync("chattr", "+i", path);
        }
        catch (Exception e)
        {
            Assert.Skip($"Root can write every file here: {e.Message}");
        }

        return new(path);
    }

    public async ValueTask DisposeAsync()
    {
        if (Environment.IsPrivilegedProcess)
        {
            await WorkerProcess.RunAsync("chattr", "-i", path);
        }
        else
        {
            await WorkerProcess.RunAsync("chmod", "600", path);
        }
    }
}
