using System.Globalization;
using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>HAProxy as a process of this machine, with a master that reloads on SIGUSR2.</summary>
sealed class ProcessLoadBalancer : IAsyncDisposable
{
    static readonly string[] Folders = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];

    readonly SemaphoreSlim turn = new(1, 1);
    readonly string program = Folders.Select(folder => Path.Combine(folder, "haproxy")).FirstOrDefault(File.Exists)
        ?? throw new InvalidOperationException("'haproxy' is not installed. The site of processes stands behind it: apt-get install haproxy, or run with --broker docker.");

    readonly string folder = Directory.CreateTempSubdirectory("jobs-haproxy-").FullName;
    GuardedProcess? process;

    public ProcessLoadBalancer(IEnumerable<Uri> nodes)
    {
        var ports = FreePorts.Take(2);
        Port = ports[0];
        StatusUri = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ports[1]}/"));
        File.WriteAllText(ConfigurationFile, Haproxy.Configuration(
            string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}"), StatusUri.Authority, nodes.Select(node => node.Authority[(node.Authority.IndexOf('@', StringComparison.Ordinal) + 1)..])));
    }

    public int Port { get; }

    public Uri StatusUri { get; }

    string ConfigurationFile => Path.Combine(folder, "haproxy.cfg");

    string MasterIdFile => Path.Combine(folder, "master.pid");

    /// <summary>For example <c>2.6.12</c>.</summary>
    public async Task<string> VersionAsync() => Haproxy.ReadVersion(
        await Command.RunAsync(program, ["-v"], environment: null, TimeSpan.FromSeconds(5)));

    public async Task StartAsync()
    {
        await turn.WaitAsync();
        try
        {
            if (process is { HasEnded: false })
                return;
            if (process is not null)
                await process.DisposeAsync();
            process = GuardedProcess.Start(
                program, ["-W", "-db", "-f", ConfigurationFile, "-p", MasterIdFile], new Dictionary<string, string>(), Path.Combine(folder, "output.log"));
            await Task.Delay(TimeSpan.FromMilliseconds(300));
            if (process.HasEnded)
                throw new InvalidOperationException($"HAProxy did not start: {await File.ReadAllTextAsync(Path.Combine(folder, "output.log"))}");
        }
        finally
        {
            turn.Release();
        }
    }

    public async Task KillAsync()
    {
        await turn.WaitAsync();
        try
        {
            if (process is not null)
                await process.KillAsync();
        }
        finally
        {
            turn.Release();
        }
    }

    public async Task ReloadAsync()
    {
        await turn.WaitAsync();
        try
        {
            if (process is { HasEnded: false })
            {
                var id = (await File.ReadAllTextAsync(MasterIdFile)).Trim();
                await Command.RunAsync("/bin/sh", ["-c", "kill -s USR2 \"$1\"", "signal", id], environment: null, TimeSpan.FromSeconds(5));
            }
        }
        finally
        {
            turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
            await process.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
