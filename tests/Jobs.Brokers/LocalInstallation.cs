namespace Jobs.Brokers;

/// <summary>Where this machine keeps RabbitMQ's programs.</summary>
static class LocalInstallation
{
    // Debian's programs on the PATH change to the user 'rabbitmq' and drop the environment; the real scripts are here.
    const string DebianScripts = "/usr/lib/rabbitmq/bin";

    static readonly string[] Folders =
    [
        DebianScripts,
        .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries),
        "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin",
        .. Directory.Exists("/usr/lib/erlang") ? Directory.GetDirectories("/usr/lib/erlang", "erts-*").Select(erts => Path.Combine(erts, "bin")) : [],
    ];

    public static bool IsPresent => Find("rabbitmq-server") is not null;

    public static string PathOf(string program) => Find(program) ?? throw new InvalidOperationException(
        $"'{program}' is not installed. A broker of local processes needs it: apt-get install rabbitmq-server (tests/run.sh does that).");

    static string? Find(string program) => Folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
