using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace News;

[Flags]
enum Roles
{
    Web = 1,
    Worker = 2,
    Beat = 4,
    All = Web | Worker | Beat,
}

/// <summary>What was asked for on the command line.</summary>
sealed record CommandLine
{
    public const string Usage = """
        A news site whose work is done in the background.

          --sqlite FILE       keep jobs in this SQLite file, which all processes of the site share; default: jobs.db beside the database
          --memory            keep jobs in this process's memory
          --broker URI        keep jobs in RabbitMQ (amqp://user:password@host1,host2)
          --role ROLE         web, worker, beat or all; default: all
          --urls URL          address of the pages; default: http://127.0.0.1:5080
          --site URL          where other processes reach the pages; default: the value of --urls
          --feed NAME=URL     an RSS or Atom feed, repeatable; default: cricket and football, served by this site itself
          --cron EXPRESSION   when feeds are refreshed, in UTC, five or six fields; default: */15 * * * *
          --operator NAME     the reader who may see the dashboard at /jobs; default: a browser on this machine, in Development
          --database PATH     SQLite file that all processes of the site share; default: data/news.db beside the program
          --help              this text
        """;

    public bool Help { get; private init; }

    /// <summary>The file that jobs are kept in, when there is neither <see cref="InMemory"/> nor a <see cref="Broker"/>.</summary>
    public string Sqlite { get; private init; } = "";

    /// <summary>Whether jobs are kept in this process's memory.</summary>
    public bool InMemory { get; private init; }

    /// <summary>The broker's address. Not a <see cref="Uri"/>, because it may name several hosts.</summary>
    public string? Broker { get; private init; }

    public Roles Roles { get; private init; } = Roles.All;

    public Uri Urls { get; private init; } = new("http://127.0.0.1:5080");

    /// <summary>The address of the site, as a client calls it. It never ends in a slash.</summary>
    public string Site { get; private init; } = "";

    public IReadOnlyDictionary<string, Uri> Feeds { get; private init; } = new SortedDictionary<string, Uri>();

    public string Cron { get; private init; } = "*/15 * * * *";

    /// <summary>The reader who may see the dashboard.</summary>
    public string? Operator { get; private init; }

    public string Database { get; private init; } = Path.Combine(AppContext.BaseDirectory, "data", "news.db");

    public bool Has(Roles role) => Roles.HasFlag(role);

    public static bool TryRead(IReadOnlyList<string> args, [NotNullWhen(true)] out CommandLine? result, [NotNullWhen(false)] out string? problem)
    {
        try
        {
            (result, problem) = (Read(args), null);
        }
        catch (FormatException e)
        {
            (result, problem) = (null, e.Message);
        }

        return result is not null;
    }

    static CommandLine Read(IReadOnlyList<string> args)
    {
        var result = new CommandLine();
        Uri? site = null;
        var feeds = new SortedDictionary<string, Uri>(StringComparer.Ordinal);
        for (var i = 0; i < args.Count; i++)
        {
            var option = args[i];
            result = option switch
            {
                "--help" or "-h" => result with { Help = true },
                "--sqlite" => result with { Sqlite = FilePath(option, Value()) },
                "--memory" => result with { InMemory = true },
                "--broker" => result with { Broker = BrokerAddress(Value()) },
                "--role" => result with { Roles = Role(Value()) },
                "--urls" => result with { Urls = Address(option, Value(), "http") },
                "--site" => result with { Site = (site = Address(option, Value(), "http", "https")).ToString() },
                "--feed" => Feed(Value()),
                "--cron" => result with { Cron = Value() },
                "--operator" => result with { Operator = Value().ToLowerInvariant() },
                "--database" => result with { Database = FilePath(option, Value()) },
                _ => throw new FormatException($"There is no option '{option}'."),
            };

            string Value() => ++i < args.Count ? args[i] : throw new FormatException($"{option} needs a value.");
        }

        string?[] places = [result.Sqlite.Length > 0 ? "--sqlite" : null, result.InMemory ? "--memory" : null, result.Broker is null ? null : "--broker"];
        if (places.OfType<string>().ToArray() is { Length: > 1 } several)
        {
            throw new FormatException($"{string.Join(" and ", several)} exclude each other: jobs are kept in one place.");
        }

        if (result is { InMemory: true, Roles: not Roles.All })
        {
            throw new FormatException("--memory needs --role all: jobs in memory cannot be shared between processes.");
        }

        if (result.Sqlite.Length == 0)
        {
            result = result with { Sqlite = Path.Combine(Path.GetDirectoryName(result.Database)!, "jobs.db") };
        }

        // A server can listen on a wildcard address, but a client cannot call one.
        site ??= result.Urls.Host is "0.0.0.0" or "[::]" ? new UriBuilder(result.Urls) { Host = "127.0.0.1" }.Uri : result.Urls;
        result = result with { Site = site.ToString().TrimEnd('/') };
        if (feeds.Count == 0)
        {
            feeds["cricket"] = new($"{result.Site}/feeds/cricket.xml");
            feeds["football"] = new($"{result.Site}/feeds/football.xml");
        }

        return result with { Feeds = feeds };

        CommandLine Feed(string value)
        {
            var (name, url) = value.Split('=', 2) is [var left, var right] ? (left, right) : ("", "");
            if (name.Length is 0 or > 40 || !char.IsAsciiLetter(name[0]) || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '-'))
            {
                throw new FormatException($"--feed '{value}': use NAME=URL, with a name of at most 40 letters, digits and '-'.");
            }

            feeds[name.ToLower(CultureInfo.InvariantCulture)] = Address("--feed", url, "http", "https");
            return result;
        }
    }

    static Uri Address(string option, string value, params string[] schemes) =>
        Uri.TryCreate(value, UriKind.Absolute, out var uri) && schemes.Contains(uri.Scheme)
            ? uri
            : throw new FormatException($"{option} '{value}': use an address that begins with {string.Join(" or ", schemes.Select(s => s + "://"))}.");

    static string FilePath(string option, string value) =>
        value.Length > 0 && Path.GetDirectoryName(Path.GetFullPath(value)) is not null ? Path.GetFullPath(value) : throw new FormatException($"{option} needs the path of a file.");

    static string BrokerAddress(string value) =>
        value.StartsWith("amqp://", StringComparison.Ordinal) || value.StartsWith("amqps://", StringComparison.Ordinal)
            ? value
            : throw new FormatException("--broker: use an address that begins with amqp:// or amqps://.");

    static Roles Role(string value) => value switch
    {
        "web" => Roles.Web,
        "worker" => Roles.Worker,
        "beat" => Roles.Beat,
        "all" => Roles.All,
        _ => throw new FormatException($"--role '{value}': use web, worker, beat or all."),
    };
}
