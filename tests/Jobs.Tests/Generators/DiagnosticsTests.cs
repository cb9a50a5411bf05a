using Microsoft.CodeAnalysis;
using Xunit;
using static Jobs.Tests.Generators.GeneratorRun;

namespace Jobs.Tests.Generators;

public sealed class DiagnosticsTests
{
    [Fact]
    public void Valid_tasks_build_without_a_word()
    {
        var source = Tasks("""
            /// <summary>A.</summary>
            [Task("news.refresh", Queue = "news", MaxRetries = 0, Priority = 9, RetryDelaySeconds = 0.5, ExpiresSeconds = 60, Aliases = ["news.old", "Old_Name:1"])]
            [Cron("*/15 * * * *", TimeZone = "Europe/London")]
            [Cron("@daily"), Every(minutes: 5)]
            public Task<int> RefreshAsync(string source = "cricket", CancellationToken cancellationToken = default) => Task.FromResult(1);

            /// <summary>B.</summary>
            [Task] public static void Count(IReadOnlyList<int> numbers, JobContext context) { }
            """);

        Assert.Empty(Reported(source));
        Assert.Empty(Compilation(source));
    }

    [Fact]
    public void Two_tasks_of_one_name_fail_the_build()
    {
        var problem = One("JOBS101", """
            [Task("news.refresh")] public void A() { }
            [Task("news.refresh")] public void B() { }
            """);

        Assert.Contains("'news.refresh': NewsTasks.A and NewsTasks.B", problem.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_alias_that_is_another_tasks_name_fails_the_build() =>
        One("JOBS101", """
            [Task("a")] public void A() { }
            [Task("b", Aliases = ["a"])] public void B() { }
            """);

    [Theory]
    [InlineData("")]
    [InlineData("news refresh")]
    [InlineData("1news")]
    [InlineData(".news")]
    [InlineData("néws")]
    public void A_name_that_cannot_travel_fails_the_build(string name) =>
        Assert.Contains($"'{name}' is not a task name", One("JOBS102", $$"""[Task("{{name}}")] public void A() { }""").Text(), StringComparison.Ordinal);

    [Fact]
    public void A_name_that_is_too_long_fails_the_build() => One("JOBS102", $$"""[Task("{{new string('a', 201)}}")] public void A() { }""");

    [Fact]
    public void An_alias_that_cannot_travel_fails_the_build() => One("JOBS102", """[Task("a", Aliases = ["b b"])] public void A() { }""");

    [Fact]
    public void A_derived_name_that_cannot_travel_fails_the_build() => One("JOBS102", "[Task] public void Größe() { }");

    [Theory]
    [InlineData("* * * *", "it has 4 fields")]
    [InlineData("61 * * * *", "'61' in the minute field")]
    [InlineData("* * * FOO *", "'FOO' in the month field is not JAN to DEC or a number from 1 to 12")]
    [InlineData("*/0 * * * *", "'0' in the minute field")]
    [InlineData("@fortnightly", "there is no macro '@fortnightly'")]
    [InlineData("", "it has 0 fields")]
    public void A_wrong_cron_expression_fails_the_build(string expression, string reason) =>
        Assert.Contains(reason, One("JOBS103", $$"""[Task, Cron("{{expression}}")] public void A() { }""").Text(), StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData("Europe/Londn")]
    [InlineData("No\\tzone")]
    public void A_time_zone_that_the_building_machine_does_not_know_is_a_warning(string zone)
    {
        var problem = Assert.Single(Reported(Tasks($$"""[Task, Cron("* * * * *", TimeZone = "{{zone}}")] public void A() { }""")));
        Assert.Equal(("JOBS104", DiagnosticSeverity.Warning), (problem.Id, problem.Severity));
    }

    [Theory]
    [InlineData("")]
    [InlineData("(seconds: -5)")]
    [InlineData("(minutes: 1, seconds: -60)")]
    [InlineData("(days: int.MaxValue)")]
    public void An_interval_under_a_second_fails_the_build(string interval) => One("JOBS105", $$"""[Task, Every{{interval}}] public void A() { }""");

    [Theory]
    [InlineData("Action x", "a delegate")]
    [InlineData("System.IO.MemoryStream x", "a stream")]
    [InlineData("List<System.IO.Stream> x", "a stream")]
    [InlineData("Span<byte> x", "a ref struct")]
    [InlineData("ReadOnlySpan<char> x", "a ref struct")]
    [InlineData("ref int x", "passed by 'ref'")]
    [InlineData("in int x", "passed by 'in'")]
    [InlineData("Type x", "part of this program")]
    [InlineData("CancellationTokenSource x", "a cancellation signal")]
    [InlineData("IServiceProvider x", "an interface")]
    [InlineData("IAsyncEnumerable<int> x", "an interface")]
    [InlineData("Array2 x", "an abstract class")]
    [InlineData("int[,] x", "an array of several dimensions")]
    [InlineData("(int, string) x", "a tuple")]
    [InlineData("Dictionary<string, Func<int>> x", "a delegate")]
    [InlineData("Task x", "a running operation")]
    [InlineData("dynamic x", "dynamic")]
    [InlineData("Exception x", "an exception")]
    public void A_parameter_that_cannot_be_sent_fails_the_build(string parameter, string reason)
    {
        var problem = One("JOBS106", $$"""[Task] public void A({{parameter}}) { } public abstract class Array2;""");
        Assert.StartsWith("Parameter 'x' of NewsTasks.A cannot be sent", problem.Text(), StringComparison.Ordinal);
        Assert.Contains(reason, problem.Text(), StringComparison.Ordinal);
    }

    /// <summary>
    /// The serializer passes over these without a word. (dotnet/runtime #56036, #81597, #876, #67361, #56671; Hangfire.Community.Outbox #9; durabletask-dotnet #133;
    /// SimpleIdServer #576; Hangfire #1961)
    /// </summary>
    [Theory]
    [InlineData("public record R((int From, int To) Pages);", "R", "Acme.NewsTasks.R.Pages ((int From, int To)) is a tuple")]
    [InlineData("public record R(List<Q> Q); public record Q(IReadOnlyDictionary<string, (int, int)> Map);", "R[]", "Acme.NewsTasks.Q.Map")]
    [InlineData("public struct P { public int X; }", "P", "Acme.NewsTasks.P.X (int) is a field")]
    [InlineData("public class C { public readonly int X = 1; }", "List<C?>", "Acme.NewsTasks.C.X (int) is a field")]
    [InlineData("public class C { public C(int x) => X = x; public C(string y) => X = y.Length; public int X { get; } }", "C", "several constructors")]
    [InlineData("public class C { internal C() { } public int X { get; set; } }", "C", "without a public constructor")]
    [InlineData("public class C { public int X { get; private set; } }", "C", "Acme.NewsTasks.C.X (int) is a property that is written and cannot be read back")]
    [InlineData("public class C { public List<int> X { get; } = []; }", "C", "a property that is written and cannot be read back")]
    [InlineData("public class C(int number) { public int X { get; } = number; }", "C", "made with 'number'")]
    [InlineData("public class B { public Action? Run { get; set; } } public class C : B { public int X { get; set; } }", "C", "Acme.NewsTasks.B.Run (System.Action?) is a delegate")]
    [InlineData("public class C : List<int> { public string? Name { get; set; } }", "C", "a collection with a property 'Name'")]
    [InlineData("public class C : System.Collections.Generic.IReadOnlyCollection<int> { public int Count => 0; public IEnumerator<int> GetEnumerator() => null!; System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => null!; }", "C", "nothing can be added")]
    [InlineData("[System.Text.Json.Serialization.JsonDerivedType(typeof(B))] public abstract record A; public record B(System.IO.Stream S) : A;", "A", "a stream")]
    [InlineData("", "System.Collections.ObjectModel.ReadOnlyCollection<int>", "does not make again")]
    [InlineData("", "System.Collections.Frozen.FrozenSet<string>", "does not make again")]
    [InlineData("", "System.Linq.IQueryable<int>", "does not make again")]
    [InlineData("", "System.Collections.IEnumerable", "does not make again")]
    [InlineData("", "Stack<int>", "upside down")]
    [InlineData("", "System.Collections.Immutable.ImmutableStack<int>", "upside down")]
    [InlineData("", "System.Numerics.Vector3", "a field")]
    [InlineData("", "Lazy<int>", "JSON can set nothing")]
    [InlineData("public class C { readonly List<int> items = []; public IReadOnlyList<int> Items => items; }", "C", "cannot be read back")]
    [InlineData("public readonly struct Money { readonly long cents; public Money(long c) => cents = c; }", "Money", "JSON can set nothing")]
    [InlineData("public class C { public string? Password { private get; set; } }", "C", "cannot be read")]
    [InlineData("public record R(int X) { internal string? Trace { get; init; } }", "R", "is not public")]
    [InlineData("public record R(int X, [property: System.Text.Json.Serialization.JsonIgnore] int Y);", "R", "left out by [JsonIgnore]")]
    [InlineData("public class C(IEnumerable<int> items) { public List<int> Items { get; } = [.. items]; }", "C", "or of another type")]
    [InlineData("public record R(IReadOnlySet<int> S);", "R", "a set that JSON cannot make again")]
    [InlineData("public record Node<T>(T Value, Node<List<T>>? Next);", "Node<int>", "without end")]
    [InlineData("public class B : List<int> { public string? Name { get; set; } } public class D : B;", "D", "a collection with a property 'Name'")]
    public void What_would_not_arrive_fails_the_build_at_any_depth(string declaration, string type, string reason)
    {
        var problem = One("JOBS106", $$"""[Task] public void A({{type}} x) { } {{declaration}}""");
        Assert.Contains(reason, problem.Text(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("public record R(int X, List<Q>? Q); public record Q(string Name, DateTime? At) { public int Length => Name.Length; }", "R")]
    [InlineData("public class Tree { public required List<Tree> Children { get; init; } public Tree? Parent { get; set; } }", "Tree")]
    [InlineData("public class C { public C(string name) => Name = name; public string Name { get; } }", "C")]
    [InlineData("public class C { public C() { } public C(int x) => X = x; public int X { get; set; } [System.Text.Json.Serialization.JsonInclude] public int Y; [System.Text.Json.Serialization.JsonIgnore] public int Z; }", "C")]
    [InlineData("public class C { [System.Text.Json.Serialization.JsonConstructor] public C(int x) => X = x; public C(string y) => X = y.Length; public int X { get; } }", "C")]
    [InlineData("public class C : List<string>;", "C")]
    [InlineData("[System.Text.Json.Serialization.JsonConverter(typeof(int))] public class C { public int X; }", "C")]
    [InlineData("public readonly record struct P(int X, int Y);", "Dictionary<Guid, P?>")]
    [InlineData("public readonly record struct Id<T>(Guid Value); public class Order { public int Total { get; private set; } }", "Id<Order>")]
    [InlineData("[System.Text.Json.Serialization.JsonObjectCreationHandling(System.Text.Json.Serialization.JsonObjectCreationHandling.Populate)] public class C { public List<int> X { get; } = []; }", "C")]
    [InlineData("public class B { public virtual Action? Run { get; set; } } public class C : B { [System.Text.Json.Serialization.JsonIgnore] public override Action? Run { get; set; } }", "C")]
    [InlineData("public sealed class MoneyJsonAttribute : System.Text.Json.Serialization.JsonConverterAttribute; [MoneyJson] public class C { public int X; }", "C")]
    [InlineData("public class C : List<int> { [System.Text.Json.Serialization.JsonIgnore] public string? Name { get; set; } }", "C")]
    [InlineData("", "ReadOnlyMemory<byte>")]
    [InlineData("", "IReadOnlySet<int>")]
    public void What_arrives_is_fine(string declaration, string type) => Assert.Empty(Reported(Tasks(
        $$"""[Task] public void A({{type}} x) { } {{declaration}}""")));

    [Fact]
    public void What_a_class_of_another_assembly_does_not_show_fails_the_build_too()
    {
        using var image = new MemoryStream();
        Assert.True(Compile("""
            public class Order { public int Id { get; set; } public int Total { get; private set; } public int Twice => Total * 2; }
            public class Plain { public int Id { get; set; } public int Twice => Id * 2; }
            public class Marked { [System.Text.Json.Serialization.JsonConstructor] Marked(int id) => Id = id; public int Id { get; } }
            """).WithAssemblyName("Acme.Contracts").Emit(image, cancellationToken: TestContext.Current.CancellationToken).Success);
        var tasks = Compile(Tasks("[Task] public void A(Order x) { } [Task] public void B(Plain x, Marked y) { }"))
            .AddReferences(MetadataReference.CreateFromImage(image.ToArray()));
        Driver().RunGeneratorsAndUpdateCompilation(tasks, out _, out var reported, TestContext.Current.CancellationToken);

        Assert.Contains(reported, d => d.Id == "JOBS106" && d.Text().Contains("Order.Total (int) is a property that is written and cannot be read back", StringComparison.Ordinal));
    }

    [Fact]
    public void An_out_parameter_fails_the_build() => One("JOBS106", "[Task] public void A(out int x) => x = 1;");

    [Fact]
    public void A_pointer_parameter_fails_the_build() => One("JOBS106", "[Task] public unsafe void A(int* x) { }");

    [Theory]
    [InlineData("[System.Text.Json.Serialization.JsonPolymorphic] public abstract class Shape;", "Shape")]
    [InlineData("[System.Text.Json.Serialization.JsonDerivedType(typeof(Dot))] public interface IShape; public class Dot : IShape;", "IShape")]
    [InlineData("", "System.Text.Json.Nodes.JsonNode")]
    [InlineData("", "System.Text.Json.JsonElement")]
    [InlineData("", "IDictionary<int, string>")]
    [InlineData("", "Uri")]
    public void A_type_that_says_how_it_is_written_is_fine(string declaration, string type) =>
        Assert.Empty(Reported(Tasks($$"""[Task] public void A({{type}} x) { } {{declaration}}""")));

    [Fact]
    public void A_generic_method_fails_the_build() => One("JOBS107", "[Task] public void A<T>(T x) { }");

    [Fact]
    public void A_generic_class_fails_the_build() =>
        OneIn("JOBS107", "public class NewsTasks<T> { [Task] public void A() { } }");

    [Theory]
    [InlineData("public abstract class NewsTasks { [Task] public void A() { } }", "NewsTasks is abstract")]
    [InlineData("public struct NewsTasks { [Task] public void A() { } }", "NewsTasks is not a class")]
    [InlineData("public interface NewsTasks { [Task] public void A() { } }", "NewsTasks is not a class")]
    [InlineData("public class NewsTasks { [Task] internal void A() { } }", "it is not public")]
    [InlineData("public class NewsTasks { [Task] void A() { } }", "it is not public")]
    [InlineData("public class Outer { class NewsTasks { [Task] public void A() { } } }", "NewsTasks is not visible")]
    [InlineData("public class NewsTasks { public void A() { B(); [Task] void B() { } } }", "it is not an ordinary method")]
    [InlineData("file class NewsTasks { [Task] public void A() { } }", "NewsTasks is not visible")]
    public void A_method_that_nobody_can_call_fails_the_build(string source, string reason) =>
        Assert.Contains(reason, OneIn("JOBS108", source).Text(), StringComparison.Ordinal);

    [Fact]
    public void An_async_void_task_fails_the_build() => One("JOBS109", "[Task] public async void A() => await Task.Yield();");

    [Fact]
    public void A_schedule_cannot_call_a_task_that_needs_arguments()
    {
        Assert.Contains("[Cron] cannot run NewsTasks.A: its parameter 'x'", One("JOBS110", """[Task, Cron("* * * * *")] public void A(int x) { }""").Text(), StringComparison.Ordinal);
        Assert.Contains("[Every] cannot run NewsTasks.A: its parameter 'x'", One("JOBS110", "[Task, Every(hours: 1)] public void A(JobContext c, int x) { }").Text(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_schedule_without_a_task_fails_the_build()
    {
        Assert.Contains("[Cron] on NewsTasks.A", One("JOBS111", """[Cron("* * * * *")] public void A() { }""").Text(), StringComparison.Ordinal);
        Assert.Contains("[Every] on NewsTasks.A", One("JOBS111", "[Every(hours: 1)] public void A() { }").Text(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("MaxRetries = -1")]
    [InlineData("RetryDelaySeconds = -0.5")]
    [InlineData("MaxRetryDelaySeconds = double.NaN")]
    [InlineData("ExpiresSeconds = double.PositiveInfinity")]
    [InlineData("Priority = 10")]
    [InlineData("Queue = \"\"")]
    [InlineData("ExpiresSeconds = 0")]
    public void A_setting_out_of_range_fails_the_build(string setting) =>
        Assert.StartsWith(setting.Split(' ')[0] + " = ", One("JOBS112", $$"""[Task({{setting}})] public void A() { }""").Text(), StringComparison.Ordinal);

    [Theory]
    [InlineData("System.IO.Stream")]
    [InlineData("Task<Action>")]
    [InlineData("IAsyncEnumerable<int>")]
    [InlineData("ValueTask<(int, int)>")]
    [InlineData("IEnumerable<int>")]
    [InlineData("Task<IEnumerable<int>>")]
    [InlineData("Task<List<IEnumerable<int>>>")]
    [InlineData("System.Linq.IQueryable<int>")]
    public void A_result_that_cannot_be_sent_fails_the_build(string type) => One("JOBS113", $$"""[Task] public {{type}} A() => throw new Exception();""");

    [Fact]
    public void Two_methods_that_become_one_factory_fail_the_build() =>
        Assert.Contains("NewsTasks.A and NewsTasks.AAsync both become NewsJobs.A", One("JOBS114", """
            [Task("a")] public void A(int x) { }
            [Task("b")] public Task AAsync(int x, CancellationToken cancellationToken) => Task.CompletedTask;
            """).Text(), StringComparison.Ordinal);

    [Theory]
    [InlineData("public class NewsJobs;", "NewsJobs exists already, and the generated class with the jobs of NewsTasks needs this name. Rename NewsJobs or NewsTasks, or")]
    [InlineData("public class NewsSteps;", "NewsSteps exists already, and the generated class with the steps of NewsTasks needs this name")]
    [InlineData("public static class NewsSteps;", "or declare NewsSteps as a static partial class")]
    [InlineData("public partial class NewsSteps;", "NewsSteps")]
    [InlineData("public enum NewsSteps { First }", "NewsSteps")]
    [InlineData("namespace NewsSteps { class Other; }", "NewsSteps")]
    public void A_type_with_the_name_of_a_generated_class_is_one_error(string type, string reason)
    {
        var sources = new[] { Tasks("[Task] public void A(int x) { } [Task] public void B(int x) { }"), $"namespace Acme {{ {type} }}" };

        var problem = Assert.Single(Reported(sources));
        Assert.Equal("JOBS115", problem.Id);
        Assert.Contains(reason, problem.Text(), StringComparison.Ordinal);
        Assert.EndsWith("File2.cs", problem.Location.GetLineSpan().Path, StringComparison.Ordinal);
        Assert.DoesNotContain(Compilation(sources), d => d.Severity == DiagnosticSeverity.Error);
    }

    [Theory]
    [InlineData("public static partial class NewsSteps { static Step<int> More() => NewsSteps.A(); }")]
    [InlineData("public class NewsSteps<T>;")]
    [InlineData("file class NewsSteps;")]
    [InlineData("public static partial class NewsJobs { static Job More() => NewsJobs.A(1); }")]
    public void A_type_that_leaves_room_for_a_generated_class_is_fine(string type)
    {
        var sources = new[] { Tasks("[Task] public void A(int x) { }"), $"namespace Acme {{ {type} }}" };

        Assert.Empty(Reported(sources));
        Assert.DoesNotContain(Compilation(sources), d => d.Severity == DiagnosticSeverity.Error);
    }

    [Fact]
    public void A_type_named_like_the_steps_of_a_class_without_steps_is_fine() =>
        Assert.Empty(Reported(Tasks("[Task] public void A() { }"), "namespace Acme { public class NewsSteps; }"));

    [Fact]
    public void A_method_with_the_name_of_the_class_of_steps_fails_the_build() =>
        Assert.Contains("the class of steps and NewsTasks.NewsSteps both become NewsSteps.NewsSteps", One("JOBS114", """
            [Task] public void NewsSteps(int x) { }
            """).Text(), StringComparison.Ordinal);

    [Fact]
    public void A_mistake_in_a_name_is_one_error_and_the_factory_still_exists() =>
        Assert.Empty(Compilation(Tasks("""
            /// <summary>A.</summary>
            [Task("not a name")] public void A() => NewsJobs.A();
            """)));

    [Fact]
    public void An_error_points_at_its_line()
    {
        var problem = One("JOBS103", """
            [Task]
            [Cron("nonsense")] public void A() { }
            """);

        Assert.EndsWith("File1.cs", problem.Location.GetLineSpan().Path, StringComparison.Ordinal);
        Assert.Equal(6, problem.Location.GetLineSpan().StartLinePosition.Line);
    }

    static Diagnostic One(string id, string members) => OneIn(id, Tasks(members));

    static Diagnostic OneIn(string id, string source)
    {
        var problem = Assert.Single(Reported(source));
        Assert.Equal(id, problem.Id);
        Assert.Equal(DiagnosticSeverity.Error, problem.Severity);
        return problem;
    }
}
