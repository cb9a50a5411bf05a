using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>The <c>docker</c> command line.</summary>
static class DockerCli
{
    static readonly TimeSpan Timeout = TimeSpan.FromSeconds(90);

    public static async Task<string> RunAsync(params IEnumerable<string> arguments) =>
        (await Command.RunAsync("docker", arguments, environment: null, Timeout)).Trim();

    /// <summary>Throws what to do when Docker or one of the images is missing.</summary>
    public static async Task RequireAsync(params IEnumerable<string> images)
    {
        if (!await DockerBroker.DaemonAnswersAsync())
            throw new InvalidOperationException("No Docker engine answers 'docker version'. Start it, or run with --broker processes.");
        foreach (var image in images)
        {
            try
            {
                await RunAsync("image", "inspect", "--format", "{{.Id}}", image);
            }
            catch (InvalidOperationException exception)
            {
                throw new InvalidOperationException($"Docker has no image {image}: docker pull {image}, or run with --broker processes.", exception);
            }
        }
    }

    /// <summary>Writes a file into a container, running or not.</summary>
    public static async Task WriteAsync(string container, string path, string text)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, text);
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(file, (UnixFileMode)0b110_100_100); // the server in the container is another user
            await RunAsync("cp", file, $"{container}:{path}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    public static async Task<bool> IsRunningAsync(string container) =>
        await RunAsync("inspect", "--format", "{{.State.Running}}", container) == "true";

    /// <summary>SIGKILL, and waits for its end.</summary>
    public static async Task KillAsync(string container)
    {
        try
        {
            await RunAsync("kill", container);
        }
        catch (InvalidOperationException)
        {
            // It ended meanwhile; if not, the wait says so.
        }

        await Eventually.BecomesAsync(async () => !await IsRunningAsync(container), TimeSpan.FromSeconds(30), $"container {container} to end");
    }
}
