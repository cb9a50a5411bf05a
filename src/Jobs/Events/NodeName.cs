using System.Globalization;

namespace Jobs.Events;

/// <summary>The names of workers, as Celery has them: <c>name@machine</c>.</summary>
/// <remarks>
/// Two workers of one name would be one worker for Flower, with the jobs of both, and each would end the other's
/// heartbeat. Processes cannot ask each other for their names before they start, so the default name has the process
/// id: <c>jobs-4711@web1</c>. A random name would differ too, but nobody could find the process by it. A second worker
/// of the same process, which is another host, becomes <c>jobs-4711-2@web1</c>.
/// </remarks>
static class NodeName
{
    // The one thing that hosts of a process share: nothing else knows of both, and none of them may fail to start.
    static readonly HashSet<string> taken = new(StringComparer.Ordinal);

    /// <summary>What sends events without being a worker: all dispatchers of a machine.</summary>
    /// <remarks>
    /// Without the process id: exporters make a label of this name, and a label for each process of a web application
    /// that ever ran fills the memory of a metrics server.
    /// </remarks>
    public static string Dispatcher { get; } = $"jobs@{Environment.MachineName}";

    /// <summary>Takes a name that no other worker of this process has.</summary>
    /// <param name="name">What the user calls the worker; <see langword="null"/> for the default.</param>
    public static string Take(string? name)
    {
        var given = name?.Split('@', 2) ?? [string.Create(CultureInfo.InvariantCulture, $"jobs-{Environment.ProcessId}")];
        var (own, machine) = (given[0], given.Length > 1 ? given[1] : Environment.MachineName);
        lock (taken)
        {
            var node = $"{own}@{machine}";
            for (var number = 2; !taken.Add(node); number++)
            {
                node = string.Create(CultureInfo.InvariantCulture, $"{own}-{number}@{machine}");
            }

            return node;
        }
    }

    public static void Release(string node)
    {
        lock (taken)
        {
            taken.Remove(node);
        }
    }
}
