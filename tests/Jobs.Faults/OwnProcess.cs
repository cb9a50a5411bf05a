using System.Runtime.InteropServices;

namespace Jobs.Faults;

/// <summary>Starting this program once more, as a process that can be killed, and signalling it.</summary>
static class OwnProcess
{
    /// <summary>The command line of this program with these arguments.</summary>
    public static (string File, string[] Arguments) Start(params string[] arguments)
    {
        var program = Environment.ProcessPath!;
        return Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase)
            ? (program, [typeof(OwnProcess).Assembly.Location, .. arguments])
            : (program, arguments);
    }

    /// <summary>Signals a process, unless it has ended or its id is not known yet (0). Asked before, because an id that is no longer its own may be somebody else's.</summary>
    public static void Send(int id, Signal signal, Func<bool> hasEnded)
    {
        if (id != 0 && !hasEnded() && Kill(id, (int)signal) != 0 && !hasEnded())
        {
            throw new InvalidOperationException($"Signal {signal} could not be sent: error {Marshal.GetLastPInvokeError()}.");
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int Kill(int process, int signal);
}

/// <summary>Numbers of Linux.</summary>
enum Signal
{
    Terminate = 15,
    Continue = 18,
    Stop = 19,
}
