using System.Globalization;
using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>A bridge network of one site, in which every container has a fixed address, and in which packets between two containers can be dropped.</summary>
sealed class DockerNetwork
{
    static readonly TimeSpan RouteTimeout = TimeSpan.FromSeconds(10);

    readonly string label;
    readonly string subnet;

    DockerNetwork(string label, string id, string subnet)
    {
        this.label = label;
        this.subnet = subnet;
        Id = id;
    }

    /// <summary>Routes are changed in the network namespace of a container, which is seen only from a Linux host that runs the engine itself, by root.</summary>
    public static bool CanCut { get; } = OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess
        && File.Exists("/usr/bin/nsenter") && Environment.GetEnvironmentVariable("DOCKER_HOST") is null or "";

    public string Id { get; }

    public static async Task<DockerNetwork> CreateAsync(string label)
    {
        var id = Guid.NewGuid().ToString("N")[..8];
        // Fixed addresses need a subnet that we choose; the engine refuses one that overlaps another network.
        for (var number = 0; ; number++)
        {
            var subnet = string.Create(CultureInfo.InvariantCulture, $"10.213.{number}");
            try
            {
                await DockerCli.RunAsync("network", "create", "--label", label, "--subnet", $"{subnet}.0/24", $"jobs-faults-{id}");
                return new DockerNetwork(label, id, subnet);
            }
            catch (InvalidOperationException) when (number < 20)
            {
                // Taken by another run.
            }
        }
    }

    public string NameOf(string host) => $"jobs-faults-{Id}-{host}";

    public string AddressOf(int number) => string.Create(CultureInfo.InvariantCulture, $"{subnet}.{10 + number}");

    public Task CreateContainerAsync(string name, string address, string image, IEnumerable<string> options, params IEnumerable<string> command) => DockerCli.RunAsync(
        ["create", "--name", name, "--label", label, "--network", $"jobs-faults-{Id}", "--ip", address, .. options, image, .. command]);

    /// <summary>What <paramref name="from"/> sends to <paramref name="address"/> gets lost. Lasts until the end of the container at most: its next start has a new namespace.</summary>
    public static Task DropAsync(string from, string address) => RouteAsync(from, "replace", address);

    /// <summary>Undoes <see cref="DropAsync"/>.</summary>
    public static Task PassAsync(string from, string address) => RouteAsync(from, "del", address);

    static async Task RouteAsync(string container, string verb, string address)
    {
        var id = await DockerCli.RunAsync("inspect", "--format", "{{.State.Pid}}", container);
        if (id == "0")
            return; // dead, and its routes with it
        try
        {
            // Only ever in the namespace of that container: the routes of this machine are not ours.
            await Command.RunAsync("nsenter", ["--target", id, "--net", "ip", "route", verb, "blackhole", $"{address}/32"], environment: null, RouteTimeout);
        }
        catch (InvalidOperationException) when (verb == "del")
        {
            // There was none.
        }
    }
}
