using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>The design's rules that a machine can check, read off the source.</summary>
public sealed class ArchitectureTests
{
    static readonly Regex declaration = new(@"^\s*((public|internal|protected|file|static|sealed|abstract|partial|readonly|ref)\s+)*(class|struct|record struct|record class|record|interface|enum)\s+(?<name>\w+)", RegexOptions.Compiled);
    static readonly Regex emptyName = new(@": \w*(Manager|Helper|Provider|Factory|Supervisor|Utils)$", RegexOptions.Compiled);

    [Fact]
    public void The_core_has_at_most_three_public_interfaces()
    {
        var interfaces = typeof(IJobDispatcher).Assembly.GetExportedTypes().Where(t => t.IsInterface).ToArray();
        Assert.Contains(typeof(IJobDispatcher), interfaces);
        Assert.True(interfaces.Length <= 3, string.Join(", ", interfaces.Select(i => i.Name)));
    }

    [Fact]
    public void No_file_has_more_than_400_lines()
    {
        var sources = Sources("src").ToArray();
        Assert.True(sources.Length > 30, "The source was not found.");
        Assert.Empty(sources.Select(s => (s.Path, s.Lines.Length)).Where(s => s.Length > 400).Select(s => $"{s.Path}: {s.Length}"));
    }

    // A project that is not in the solution is not built, and its tests do not run.
    [Fact]
    public void The_solution_has_every_project()
    {
        var solution = File.ReadAllText(Path.Combine(Repository.Root, "Jobs.sln")).Replace('\\', '/');
        var projects = new[] { "src", "samples", "tests" }
            .SelectMany(part => Directory.GetDirectories(Path.Combine(Repository.Root, part)))
            .SelectMany(folder => Directory.GetFiles(folder, "*.csproj"))
            .Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'))
            .ToArray();
        Assert.True(projects.Length > 10, "The projects were not found.");
        Assert.DoesNotContain(projects, project => !solution.Contains($"\"{project}\"", StringComparison.Ordinal));
    }

    [Fact]
    public void No_type_has_a_name_that_says_nothing() =>
        Assert.DoesNotContain(
            Sources("src").SelectMany(s => s.Lines.Select(l => declaration.Match(l)).Where(m => m.Success).Select(m => $"{s.Path}: {m.Groups["name"].Value}")),
            type => emptyName.IsMatch(type));

    [Fact]
    public void A_transport_project_knows_no_other_transport()
    {
        string[] transports = ["Jobs.RabbitMQ", "Jobs.Sqlite"];
        Assert.Empty(transports.SelectMany(own => Sources(Path.Combine("src", own)).SelectMany(s => s.Lines
            .Where(l => transports.Any(other => other != own && l.StartsWith($"using {other}", StringComparison.Ordinal)))
            .Select(l => $"{s.Path}: {l}"))));
    }

    [Fact]
    public void The_core_knows_no_transport_project() =>
        Assert.Empty(Sources(Path.Combine("src", "Jobs")).SelectMany(s => s.Lines
            .Where(l => l.StartsWith("using Jobs.RabbitMQ", StringComparison.Ordinal) || l.StartsWith("using Jobs.Sqlite", StringComparison.Ordinal))
            .Select(l => $"{s.Path}: {l}")));

    [Theory]
    [InlineData("Jobs.RabbitMQ")]
    [InlineData("Jobs.Sqlite")]
    [InlineData("Jobs.Dashboard")]
    public void A_project_beside_the_core_references_the_core_and_no_other_project(string project)
    {
        var text = File.ReadAllText(Path.Combine(Root(), "src", project, $"{project}.csproj"));
        var references = Regex.Matches(text, "<ProjectReference Include=\"(?<path>[^\"]*)\"").Select(m => m.Groups["path"].Value);
        Assert.Equal(["../Jobs/Jobs.csproj"], references);
    }

    /// <summary>Lines with code: no empty ones, and none with only a comment. Less is better.</summary>
    [Theory]
    [InlineData("Jobs", 15_200)]
    [InlineData("Jobs.RabbitMQ", 6_500)]
    [InlineData("Jobs.Sqlite", 4_300)]
    [InlineData("Jobs.Dashboard", 3_500)]
    [InlineData("Jobs.Generators", 2_200)]
    public void A_project_stays_within_its_budget_of_lines(string project, int budget) =>
        Assert.InRange(Sources(Path.Combine("src", project)).Sum(s => s.Lines.Count(HasCode)), 1, budget);

    [Theory]
    [InlineData("sealed class ConnectionManager(int x)", true)]
    [InlineData("public static partial class StringUtils", true)]
    [InlineData("interface IThingFactory", true)]
    [InlineData("readonly record struct Managers;", false)]
    [InlineData("sealed class Helpers2", false)]
    public void The_rule_for_names_sees_what_it_should(string line, bool banned) =>
        Assert.Equal(banned, emptyName.IsMatch($"x: {declaration.Match(line).Groups["name"].Value}"));

    static bool HasCode(string line) => line.AsSpan().TrimStart() is { Length: > 0 } text && !text.StartsWith("//", StringComparison.Ordinal);

    static IEnumerable<(string Path, string[] Lines)> Sources(string folder)
    {
        var root = Root();
        var start = Path.Combine(root, folder);
        return !Directory.Exists(start) ? [] : Directory.EnumerateFiles(start, "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"))
            .Select(f => (Path.GetRelativePath(root, f), File.ReadAllLines(f)));
    }

    static string Root([CallerFilePath] string here = "")
    {
        var folder = Path.GetDirectoryName(here);
        while (folder is not null && !Directory.Exists(Path.Combine(folder, "src", "Jobs")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new DirectoryNotFoundException($"No repository above {here}.");
    }
}
