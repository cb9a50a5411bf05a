using System.Runtime.CompilerServices;
using Microsoft.CodeAnalysis;
using Xunit;
using static Jobs.Tests.Generators.GeneratorRun;

namespace Jobs.Tests.Generators;

/// <summary>Code that is legal C# and hard on a generator: what is generated from it must still compile, without a warning.</summary>
public sealed class AwkwardCodeTests
{
    [Theory]
    [InlineData("namespace Acme.System { namespace Jobs { class Task { } } class String { } class FooTasks { [Task] public Task<string> A(string s, DateTime d, List<int> l) => null!; } }")]
    [InlineData("namespace @class.@event; class @new { [Task] public void @void(int @int, @enum @value = @enum.@base) { } } enum @enum { @base, @else }")]
    [InlineData("class Jobber { [Task] public static void ToString(int a) { } [Task] public bool Equals(object? a, object? b) => true; }")]
    [InlineData("class A { [Obsolete] public class Old { } [Obsolete(\"x\")] public enum Dead { [Obsolete] X, [Obsolete(\"x\", true)] Y = -1, Z } } class B { [Task, Obsolete] public void M(A.Old a, A.Dead b) { } }")]
    [InlineData("class A { [Task] public Task? M() => null; [Task] public Task<string?>? N() => null; [Task] public Task<int[]> O(List<List<string?>?>? x) => null!; }")]
    [InlineData("class A { [Task] public void M(string s = null!, int[] x = null!, Guid g = default, decimal? d = 1.5m, byte b = 255, char c = '\\u2028', float f = 1e-7f) { } }")]
    [InlineData("class A { [Task] public void M(System.Collections.Immutable.ImmutableArray<string> x, System.Collections.Immutable.ImmutableArray<int>? y, IReadOnlySet<byte[]> z, Dictionary<string, object?> o) { } }")]
    [InlineData("#nullable disable\nclass A { [Task] public Task<List<string>> M(List<string> x, Dictionary<string, string[]> y, Version v, Version[] w, string s = null, HashSet<Uri> z = null) => null; }")]
    [InlineData("class Outer { internal class Inner { [Task(\"a\")] public void M() { } } internal class Inner_M { [Task(\"b\")] public void M() { } } } class Outer_Inner { [Task(\"c\")] public void M() { } [Task(\"d\")] public void Module() { } }")]
    [InlineData("class A { [Task] public void M(CancellationToken a, int x, JobContext b, CancellationToken c, params string[] rest) { } }")]
    [InlineData("record A { [Task] public async ValueTask<(string Name, int)[]?> No() => null; [Task] public E? M(E e, E? f, F g) => e; public enum E : byte { } [Flags] public enum F : uint { A = 1, B = 2, Both = 3 } }", "JOBS113")]
    [InlineData("partial class A { [Task] public partial Task M(int x); } partial class A { public partial Task M(int x) => Task.CompletedTask; }")]
    [InlineData("class Tasks { [Task] public void Async() { } [Task] public void A_B_Async() { } }")]
    [InlineData("class A { [Task(\"a\")] public void M(int value, int value2, int? list, string[] item, int[] item2, Dictionary<string, int?> map, int key, int name, E number) { } public enum E { X } }")]
    [InlineData("class A { [Task] public void M(E e) { } public enum E : ulong { None, Big = ulong.MaxValue } [Task] public void N(D e) { } public enum D : long { Low = long.MinValue } }")]
    [InlineData("class A { [Task] public nint M(System.Text.Json.Nodes.JsonNode? a, System.Text.Json.JsonElement b, KeyValuePair<string, int> c, Version d, IEnumerable<KeyValuePair<string, int>> e, Half f, Int128 g) => 1; }")]
    [InlineData("class A { [Task] public void M(int ParameterNames, int a, int aArgument, int p_a, int context, int Instance) { } }")]
    [InlineData("abstract class A { [Task] public static void M() { } } struct B { [Task] public static int N(int x) => x; } readonly record struct C(int X) { [Task] public static void O() { } }")]
    [InlineData("class A { [Task(\"a\")] public void M(int x) { } [Task(\"b\")] public void M(string x) { } [Task(\"c\")] public void M(int x, string y) { } }")]
    [InlineData("class A { [Task] public static int ToString(int a) => 1; [Task] public void Equals(int a, object? b) { } [Task] public void Finalize(int a) { } }")]
    [InlineData("class A { [Task] public void M(int Step, int Job, int StepArguments, int first) { } }")]
    [InlineData("namespace X { class A { [Task(\"a\")] public void M(int x) { } } class ATasks { [Task(\"b\")] public void M(string x) { } [Task(\"c\")] public void N(string x) { } } }")]
    [InlineData("namespace Acme.Api { class MailTasks { [Task(\"a\")] public void M() { } } } namespace Acme.API { class MailTasks { [Task(\"b\")] public void M() { } } }")]
    public void Awkward_code_compiles(string source, string? expected = null)
    {
        var (compilation, reported, result) = Run(source);
        var generated = result.GeneratedTrees.ToHashSet();

        Assert.Equal(expected is null ? [] : [expected], reported.Select(d => d.Id));
        Assert.NotEmpty(generated);
        Assert.DoesNotContain(compilation.GetDiagnostics(TestContext.Current.CancellationToken), d =>
            d.Severity == DiagnosticSeverity.Error || (d.Severity == DiagnosticSeverity.Warning && generated.Contains(d.Location.SourceTree!)));
    }

    /// <summary>dotnet/runtime #86363, PolyType #64</summary>
    [Fact]
    public void A_test_project_that_sees_the_internals_of_the_program_adds_its_own_tasks()
    {
        var program = Run("""
            [assembly: System.Runtime.CompilerServices.InternalsVisibleTo("Acme.News.Tests")]
            namespace Acme { class NewsTasks { [Task("program")] public void M() { } } }
            """).Compilation;
        var tests = Compile("""
            using Microsoft.Extensions.DependencyInjection;
            namespace Acme.Tests { class ProbeTasks { [Task("test")] public void M() { } static void Add(JobsBuilder jobs) => jobs.AddTasks().AddTasks<NewsTasks>(); } }
            """).WithAssemblyName("Acme.News.Tests").AddReferences(program.ToMetadataReference());
        using var image = new MemoryStream();
        Assert.True(program.Emit(image, cancellationToken: TestContext.Current.CancellationToken).Success);
        Driver().RunGeneratorsAndUpdateCompilation(tests, out var compilation, out var reported, TestContext.Current.CancellationToken);

        Assert.Empty(reported);
        Assert.Empty(compilation.GetDiagnostics(TestContext.Current.CancellationToken).Where(d => d.Severity == DiagnosticSeverity.Error));
        var asFile = compilation.ReplaceReference(compilation.References.Last(), MetadataReference.CreateFromImage(image.ToArray()));
        Assert.Empty(asFile.GetDiagnostics(TestContext.Current.CancellationToken).Where(d => d.Severity == DiagnosticSeverity.Error));
    }

    [Fact]
    public void Broken_code_is_left_to_the_compiler()
    {
        var (_, reported, _) = Run("class A { [Task(Queue = 5, MaxRetries = \"x\", Nonsense = 1)] [Cron] [Every(\"x\")] public Tusk<int> M(Foo x, ) { } [Task] public void (int) }");

        Assert.All(reported, d => Assert.StartsWith("JOBS", d.Id, StringComparison.Ordinal)); // CS8785 is a crash
    }

    [Fact]
    public void Every_diagnostic_is_documented()
    {
        var folder = Path.Combine(Folder(), "../../../src/Jobs.Generators");
        var readme = File.ReadAllText(Path.Combine(folder, "README.md"));
        var releases = File.ReadAllText(Path.Combine(folder, "AnalyzerReleases.Shipped.md")) + File.ReadAllText(Path.Combine(folder, "AnalyzerReleases.Unshipped.md"));

        Assert.All(Jobs.Generators.Diagnostics.ById.Keys, id =>
        {
            Assert.Contains($"| {id} |", readme, StringComparison.Ordinal);
            Assert.Contains($"{id} | Jobs", releases, StringComparison.Ordinal);
        });
    }

    static string Folder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
