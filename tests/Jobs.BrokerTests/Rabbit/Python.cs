using System.Diagnostics;
using Jobs.Brokers;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>
/// Runs scripts for real Celery and kombu. A script knows <c>uri</c> of the broker and <c>queue</c> of the bench, and may
/// write to the folder for temporary files.
/// </summary>
abstract class Python
{
    /// <summary>The Python and the Celery that are installed here.</summary>
    public static Python OfThisMachine { get; } = new Installed();

    /// <summary>Those of Debian 13, in a container. <c>tests/celery-image.sh</c> builds the image.</summary>
    public static Python OfDebian13 { get; } = new InContainer("jobs-test-celery:trixie");

    /// <summary>Runs a script to its end, and returns what it printed.</summary>
    public async Task<string> RunAsync(Bench bench, string script, string? uri = null)
    {
        var start = ToStart(WithNames(bench, script, uri), out var container);
        try
        {
            return await Command.RunAsync(start.FileName, start.ArgumentList, environment: null, TimeSpan.FromSeconds(60));
        }
        catch (InvalidOperationException)
        {
            await KillAsync(container);
            throw;
        }
    }

    /// <summary>Starts a script that runs until its process is disposed of.</summary>
    public IAsyncDisposable Start(Bench bench, string script)
    {
        var start = ToStart(WithNames(bench, script, given: null), out var container);
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        return new Running(Process.Start(start)!, container);
    }

    /// <param name="script">The whole script.</param>
    /// <param name="container">The name of the container that the process starts, if it starts one.</param>
    protected abstract ProcessStartInfo ToStart(string script, out string? container);

    static string WithNames(Bench bench, string script, string? given)
    {
        var uri = given ?? bench.Broker.AmqpUri.ToString();
        var kombu = uri.EndsWith('/') ? uri + "/" : uri; // kombu takes what follows the slash, and "/" is the default's name
        return $"uri, queue = '{kombu}', '{bench.Queue}'\n{script}";
    }

    // To kill the process of 'docker run' kills no container.
    static async Task KillAsync(string? container)
    {
        if (container is not null)
        {
            try
            {
                await Command.RunAsync("docker", ["kill", container], environment: null, TimeSpan.FromSeconds(30));
            }
            catch (InvalidOperationException)
            {
                // the container ended by itself, or never started
            }
        }
    }

    sealed class Installed : Python
    {
        // The one that apt installs Celery for; another one may come first in PATH.
        static string Interpreter => File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

        protected override ProcessStartInfo ToStart(string script, out string? container)
        {
            container = null;
            return new(Interpreter, ["-c", script]);
        }
    }

    sealed class InContainer(string image) : Python
    {
        protected override ProcessStartInfo ToStart(string script, out string? container)
        {
            container = $"jobs-test-{Guid.NewGuid():N}";
            var folder = Path.TrimEndingDirectorySeparator(Path.GetTempPath());
            // tests/run.sh removes by this label what a killed test host leaves behind.
            string[] label = Environment.GetEnvironmentVariable("JOBS_TEST_RUN") is { Length: > 0 } run ? ["--label", $"jobs.test.run={run}"] : [];
            // The network of the machine, because the broker listens on a loopback port.
            return new(
                "docker",
                [
                    "run", "--rm", "--pull", "never", "--name", container, .. label, "--network", "host", "--volume", $"{folder}:{folder}",
                    image, "python3", "-c", script,
                ]);
        }
    }

    sealed class Running(Process process, string? container) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await KillAsync(container);
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
            process.Dispose();
        }
    }
}
