using System.Diagnostics;

namespace Jobs.Brokers;

/// <summary>A short-lived command line whose output is wanted.</summary>
static class Command
{
    /// <summary>Runs to the end and returns what it wrote to standard output.</summary>
    /// <exception cref="InvalidOperationException">Not installed, not finished in time, or an exit code other than 0.</exception>
    public static async Task<string> RunAsync(
        string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment, TimeSpan timeout)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (key, value) in environment ?? new Dictionary<string, string>())
            start.Environment[key] = value;

        var line = $"{file} {string.Join(' ', start.ArgumentList)}";
        using var process = StartOrExplain();
        process.StandardInput.Close();
        using var deadline = new CancellationTokenSource(timeout);
        var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
        var error = process.StandardError.ReadToEndAsync(deadline.Token);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
            await Task.WhenAll(output, error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"'{line}' did not end within {timeout.TotalSeconds} s.");
        }

        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException($"'{line}' ended with {process.ExitCode}: {await error}{await output}");

        Process StartOrExplain()
        {
            try
            {
                return Process.Start(start)!;
            }
            catch (System.ComponentModel.Win32Exception exception)
            {
                throw new InvalidOperationException($"'{file}' cannot be started: {exception.Message}", exception);
            }
        }
    }
}
