using System.Runtime.CompilerServices;
using Microsoft.CodeAnalysis;
using Xunit;
using static Jobs.Tests.Generators.GeneratorRun;

namespace Jobs.Tests.Generators;

/// <summary>What is generated, to read and to review. <c>JOBS_UPDATE_GOLDEN=1</c> writes the files anew.</summary>
public sealed class GoldenTests
{
    /// <summary>The class of the architecture's first page: documentation, defaults, schedules, overloads, a token.</summary>
    const string News = """
        namespace Acme.News;

        /// <summary>Tasks of the news.</summary>
        public sealed class NewsTasks(Uri feeds)
        {
            /// <summary>
            /// Fetches one <see cref="Uri"/> of <paramref name="source"/> until <paramref name="cancellationToken"/> fires;
            /// returns how many were new &amp; good.
            /// </summary>
            /// <param name="source">Whose headlines.</param>
            /// <param name="cancellationToken">Stops it.</param>
            [Task("news.refresh", Queue = "news", MaxRetries = 5, RetryDelaySeconds = 2.5, Aliases = ["news.fetch"])]
            [Cron("*/15 * * * *", TimeZone = "Europe/London")]
            [Every(hours: 1, Name = "hourly", Misfire = MisfirePolicy.Skip)]
            public async Task<int> RefreshAsync(string source = "cricket", int? limit = null, CancellationToken cancellationToken = default)
            {
                await Task.Yield();
                return feeds.Port;
            }

            [Task]
            public void SummariseAll()
            {
            }

            [Task("news.publish")]
            public ValueTask Publish(List<string> headlines, JobContext context) => default;

            [Task("news.publish_one")]
            public ValueTask Publish(string headline, JobContext context) => default;
        }
        """;

    /// <summary>One parameter of each way to write and read.</summary>
    const string Types = """
        namespace Acme.Types;

        public enum Colour { Red, Green, Verde = Green }

        public sealed record Order(int Number);

        internal static class TypeTasks
        {
            [Task]
            public static Order? Everything(
                double ratio, Colour colour, Guid? id, DateTime at, byte[] bytes, int[] numbers, HashSet<string?>? names,
                IReadOnlyDictionary<string, List<Colour>> map, [Sensitive] Order order, [Sensitive] int @class = 1, decimal price = 1.5m, params string[] writer) => null;
        }
        """;

    /// <summary>No namespace, a nested class, no suffix, code without nullable annotations.</summary>
    const string Plain = """
        public static class Outer
        {
            public class Mailer
            {
                [Task]
        #nullable disable
                public string Send_To(string to, List<string> cc = null) => to;
        #nullable enable
            }
        }
        """;

    [Theory]
    [InlineData("News", News)]
    [InlineData("Types", Types)]
    [InlineData("Plain", Plain)]
    public void What_is_generated_is_what_was_reviewed(string name, string source)
    {
        var generated = string.Join("\n", Run(source).Result.GeneratedTrees.Select(t => $"// ==== {Path.GetFileName(t.FilePath)}\n{t}"));
        var path = Path.Combine(Folder(), "Golden", name + ".golden.cs.txt");
        if (Environment.GetEnvironmentVariable("JOBS_UPDATE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, generated);
        }

        Assert.Equal(File.ReadAllText(path), generated);
    }

    [Theory]
    [InlineData(News)]
    [InlineData(Types)]
    [InlineData(Plain)]
    public void Generated_code_compiles_without_a_warning_about_it(string source)
    {
        var (compilation, reported, result) = Run(source);
        var generated = result.GeneratedTrees.ToHashSet();

        Assert.Empty(reported);
        Assert.NotEmpty(generated);
        Assert.DoesNotContain(compilation.GetDiagnostics(TestContext.Current.CancellationToken), d =>
            d.Severity == DiagnosticSeverity.Error || (d.Severity == DiagnosticSeverity.Warning && generated.Contains(d.Location.SourceTree!)));
    }

    [Fact]
    public void Two_classes_of_one_stem_share_their_factories() =>
        Assert.All(Compilation("""
            namespace Acme;
            sealed class News { [Task("a")] public void A(int x) { } }
            static class NewsTasks { [Task("b")] public static void B() { NewsJobs.A(1); NewsJobs.B(); } }
            public static class Other_Tasks { /// <summary>C.</summary>
            [Task("c")] public static void C() { } }
            """), d => Assert.Equal("CS1591", d.Id));

    [Fact]
    public void Documented_factories_keep_the_words_of_the_task()
    {
        var factory = Run(News).Compilation.GetTypeByMetadataName("Acme.News.NewsJobs")!.GetMembers("Refresh").Single();

        var xml = factory.GetDocumentationCommentXml(cancellationToken: TestContext.Current.CancellationToken);
        Assert.Contains("<see cref=\"T:System.Uri\" /> of <paramref name=\"source\" /> until <c>cancellationToken</c> fires", xml, StringComparison.Ordinal);
        Assert.Contains("<param name=\"source\">Whose headlines.</param>", xml, StringComparison.Ordinal);
    }

    [Fact]
    public void An_assembly_without_tasks_gets_no_code() => Assert.Empty(Run("class Empty;").Result.GeneratedTrees);

    static string Folder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
