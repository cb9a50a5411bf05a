using System.Diagnostics;
using System.Globalization;

namespace Jobs.Faults.Sites;

/// <summary>
/// Removes the containers, volumes and networks of one run, however the run ends.
/// <list type="number">
/// <item>All bear a label with the id of our process and something random.</item>
/// <item>A shell waits at a pipe from us, which closes when we close it, crash or are killed; then it removes what bears the label.</item>
/// <item>What outlives the shell too, after a power cut, is removed by the next run: its label names a process that does not exist.</item>
/// </list>
/// </summary>
sealed class DockerSweeper : IAsyncDisposable
{
    const string Key = "jobs.faults";
    static readonly TimeSpan Timeout = TimeSpan.FromSeconds(90);

    const string Sweep = """
        # Whoever reads our output may be gone.
        exec >/dev/null 2>&1
        trap '' INT TERM HUP
        read -r line
        docker ps -aq --filter "label=$1" | xargs -r docker rm -fv
        docker network ls -q --filter "label=$1" | xargs -r docker network rm
        """;

    readonly Process shell;

    DockerSweeper(string value)
    {
        Label = $"{Key}={value}";
        shell = Start(Label);
    }

    /// <summary>For <c>--label</c> of everything that is created.</summary>
    public string Label { get; }

    public static async Task<DockerSweeper> StartAsync()
    {
        var sweeper = new DockerSweeper(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{Guid.NewGuid():N}"));
        foreach (var left in await OrphansAsync())
        {
            using var sweep = Start(left);
            await EndAsync(sweep);
        }

        return sweeper;
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync(shell);
        shell.Dispose();
    }

    static async Task EndAsync(Process shell)
    {
        shell.StandardInput.Close();
        await shell.WaitForExitAsync(CancellationToken.None).WaitAsync(Timeout);
    }

    static async Task<IEnumerable<string>> OrphansAsync()
    {
        var format = $$$"""{{.Label "{{{Key}}}"}}""";
        var containers = await DockerCli.RunAsync("ps", "-a", "--filter", $"label={Key}", "--format", format);
        var networks = await DockerCli.RunAsync("network", "ls", "--filter", $"label={Key}", "--format", format);
        return $"{containers}\n{networks}".Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct()
            .Where(value => int.TryParse(value.Split('-')[0], CultureInfo.InvariantCulture, out var id) && !Lives(id))
            .Select(value => $"{Key}={value}");

        static bool Lives(int id)
        {
            try
            {
                using var process = Process.GetProcessById(id);
                return true;
            }
            catch (ArgumentException)
            {
                return false;
            }
        }
    }

    static Process Start(string label) => Process.Start(new ProcessStartInfo("/bin/sh", ["-c", Sweep, "sweep", label])
    {
        RedirectStandardInput = true,
    })!;
}
