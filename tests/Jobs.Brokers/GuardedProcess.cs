using System.Diagnostics;

namespace Jobs.Brokers;

/// <summary>
/// A server process with everything it starts, which cannot outlive the test host.
/// <list type="number">
/// <item>A shell starts the server in a session of its own, so that one signal reaches all of its processes.</item>
/// <item>The shell's standard input is a pipe from us. It closes when we close it, and also when we crash or are killed.</item>
/// <item>Then the shell kills that session (SIGKILL, by process id) and ends; it also ends when the server does.</item>
/// </list>
/// </summary>
sealed class GuardedProcess : IAsyncDisposable
{
    const string Guard = """
        output=$1; shift
        exec 3<&0 2>>"$output"
        setsid "$@" </dev/null >>"$output" 2>&1 3<&- &
        server=$!
        trap 'kill -s KILL -- -$server $server' INT TERM HUP
        ( read -r line <&3; kill -s KILL -- -$server $server ) &
        guard=$!
        exec 3<&-
        wait $server
        code=$?
        # What the server left in its session must not survive it; usually there is nothing.
        kill -s KILL -- -$server
        kill $guard
        exit $code
        """;

    readonly Process shell;

    GuardedProcess(Process shell) => this.shell = shell;

    public bool HasEnded => shell.HasExited;

    public static GuardedProcess Start(
        string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, string outputFile)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", Guard, "guard", outputFile, file, .. arguments])
        {
            RedirectStandardInput = true,
        };
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        // Any value makes a RabbitMQ node without a terminal end at once.
        start.Environment.Remove("RABBITMQ_ALLOW_INPUT");
        return new GuardedProcess(Process.Start(start)!);
    }

    /// <summary>Kills it with SIGKILL and returns when it is dead.</summary>
    public async Task KillAsync()
    {
        shell.StandardInput.Close();
        await shell.WaitForExitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        shell.Dispose();
    }
}
