using System.Diagnostics;
using Jobs.Brokers;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>Scripts for the Celery and kombu that are installed here. A script knows <c>uri</c> of the broker and <c>queue</c> of the bench.</summary>
static class Python
{
    // The one that apt installs Celery for; another one may come first in PATH.
    static string Interpreter => File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

    /// <summary>Runs a script to its end, and returns what it printed.</summary>
    public static Task<string> RunAsync(Bench bench, string script, string? uri = null) =>
        Command.RunAsync(Interpreter, ["-c", WithNames(bench, script, uri)], environment: null, TimeSpan.FromSeconds(60));

    /// <summary>Starts a script that runs until somebody kills it.</summary>
    public static Process Start(Bench bench, string script) =>
        Process.Start(new ProcessStartInfo(Interpreter, ["-c", WithNames(bench, script, null)]) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    static string WithNames(Bench bench, string script, string? given)
    {
        var uri = given ?? bench.Broker.AmqpUri.ToString();
        var kombu = uri.EndsWith('/') ? uri + "/" : uri; // kombu takes what follows the slash, and "/" is the default's name
        return $"uri, queue = '{kombu}', '{bench.Queue}'\n{script}";
    }
}
