using System.Globalization;

namespace Jobs.Brokers;

/// <summary>
/// The folder and the Erlang port mapper (epmd) that the nodes of one broker share. The port mapper has its own port,
/// so that these nodes are invisible to every other Erlang program of the machine.
/// </summary>
sealed class LocalHome : IAsyncDisposable
{
    readonly GuardedProcess portMapper;

    LocalHome(string folder, int portMapperPort, GuardedProcess portMapper)
    {
        Folder = folder;
        this.portMapper = portMapper;
        Environment = new Dictionary<string, string>
        {
            ["HOME"] = folder,
            ["ERL_EPMD_PORT"] = portMapperPort.ToString(CultureInfo.InvariantCulture),
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
        };
    }

    public string Folder { get; }

    public IReadOnlyDictionary<string, string> Environment { get; }

    public static LocalHome Create()
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("Brokers as local processes need a Unix shell; use Docker or JOBS_TEST_BROKER on Windows.");

        var folder = Directory.CreateTempSubdirectory("jobs-broker-").FullName;
        var cookie = Path.Combine(folder, ".erlang.cookie");
        File.WriteAllText(cookie, Guid.NewGuid().ToString("N"));
        File.SetUnixFileMode(cookie, UnixFileMode.UserRead); // Erlang refuses a cookie that others can read.

        var port = FreePorts.Take(1)[0];
        var portMapper = GuardedProcess.Start(
            LocalInstallation.PathOf("epmd"),
            ["-address", "127.0.0.1", "-port", port.ToString(CultureInfo.InvariantCulture)],
            new Dictionary<string, string> { ["HOME"] = folder },
            Path.Combine(folder, "epmd.log"));
        return new LocalHome(folder, port, portMapper);
    }

    public async ValueTask DisposeAsync()
    {
        await portMapper.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}
