using System.Diagnostics;
using Jobs.Brokers;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>Runs programs in the Python that real Celery is installed for. They know the names <c>uri</c> and <c>queue</c>.</summary>
static class Python
{
    // The one that apt installs Celery for; another one may come first in PATH.
    static string Program => File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

    /// <summary>Runs a program to its end, and returns what it printed.</summary>
    public static Task<string> RunAsync(TestBroker broker, string queue, string script) =>
        Command.RunAsync(Program, ["-c", WithNames(broker, queue, script)], environment: null, TimeSpan.FromSeconds(60));

    /// <summary>Starts a program that runs until it is killed.</summary>
    public static Process Start(TestBroker broker, string queue, string script) =>
        Process.Start(new ProcessStartInfo(Program, ["-c", WithNames(broker, queue, script)]) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    static string WithNames(TestBroker broker, string queue, string script)
    {
        var uri = broker.AmqpUri.ToString();
        var kombu = uri.EndsWith('/') ? uri + "/" : uri; // kombu takes what follows the slash, and "/" is the default's name
        return $"uri, queue = '{kombu}', '{queue}'\n{script}";
    }
}
