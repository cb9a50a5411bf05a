using System.Text.Json.Nodes;
using Microsoft.CodeAnalysis;
using Xunit;
using static Jobs.Tests.Generators.GeneratorRun;

namespace Jobs.Tests.Generators;

/// <summary>The steps beside the jobs: tasks that get their first argument from the job before them.</summary>
public sealed class StepTests
{
    static readonly Guid id = new("0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");

    [Fact]
    public async Task The_arguments_of_a_step_after_the_first_value_are_the_arguments_of_the_job()
    {
        await SameAsync(EveryTypeJobs.Numbers(1.5f, 2.5, 1.10m, true), EveryTypeSteps.Numbers(2.5, 1.10m, true));
        await SameAsync(EveryTypeJobs.Texts('a', "b", null, id, [1, 2], null), EveryTypeSteps.Texts("b", null, id, [1, 2], null));
        await SameAsync(
            EveryTypeJobs.Enums(Colour.Red, null, Rights.All, Big.Min, Small.@class),
            EveryTypeSteps.Enums(null, Rights.All, Big.Min, Small.@class));
        await SameAsync(EveryTypeJobs.Nullables(1, null, 2, id, null, null, null, 'x'), EveryTypeSteps.Nullables(null, 2, id, null, null, null, 'x'));
        await SameAsync(
            EveryTypeJobs.Nested([[1], [2, 3]], [new() { ["a"] = [Colour.Green, null] }], [new(1, 2)]),
            EveryTypeSteps.Nested([new() { ["a"] = [Colour.Green, null] }], [new(1, 2)]));
        await SameAsync(EveryTypeJobs.Defaults(7, flag: false), EveryTypeSteps.Defaults(flag: false));
        await SameAsync(EveryTypeJobs.Rest(1, 2), EveryTypeSteps.Rest());
    }

    [Fact]
    public void A_step_after_the_only_parameter_has_no_arguments() => Assert.Equal("[]", Call.Written(EveryTypeSteps.Rest().Job));

    [Fact]
    public void A_step_names_the_task_of_its_job() =>
        Assert.Same(EveryTypeJobs.Rest().Definition, EveryTypeSteps.Rest().Job.Definition);

    [Fact]
    public void A_null_that_the_task_does_not_take_fails_at_the_caller_of_the_step() =>
        Assert.Equal("b", Assert.Throws<ArgumentNullException>(() => EveryTypeSteps.Texts(null!, null, id, [], null)).ParamName);

    [Theory]
    [InlineData("void A(int x)", "Step<int> A()")]
    [InlineData("Task<string> AAsync(int x, string y)", "Step<int, string> A(string y)")]
    [InlineData("string? A(string? x)", "Step<string?, string?> A()")]
    [InlineData("void A(JobContext context, string x, CancellationToken token, int y)", "Step<string> A(int y)")]
    [InlineData("void A(CancellationToken token, JobContext context, int x)", "Step<int> A()")]
    [InlineData("void A(string x = \"cricket\", int y = 2)", "Step<string> A(int y = 2)")]
    [InlineData("void A(string x = null!)", "Step<string?> A()")]
    [InlineData("void A(int? x, Guid? y)", "Step<int?> A(System.Guid? y)")]
    [InlineData("void A(Dictionary<string, List<int?>> x, params string[] y)", "Step<System.Collections.Generic.Dictionary<string, System.Collections.Generic.List<int?>>> A(params string[] y)")]
    [InlineData("List<string?> A(params int[] x)", "Step<int[], System.Collections.Generic.List<string?>> A()")]
    public void A_step_takes_what_is_left_after_the_first_parameter_that_is_sent(string method, string step)
    {
        var (compilation, reported, _) = Run(Tasks($"[Task] public {method} => throw new Exception();"));

        Assert.Empty(reported);
        Assert.DoesNotContain(compilation.GetDiagnostics(TestContext.Current.CancellationToken), d => d.Severity == DiagnosticSeverity.Error);
        var made = compilation.GetTypeByMetadataName("Acme.NewsSteps")!.GetMembers("A").Single();
        Assert.Equal(step, made.ToDisplayString(signature).Replace("Jobs.Step", "Step", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("void A()")]
    [InlineData("int A(JobContext context, CancellationToken token)")]
    public void A_class_whose_tasks_take_nothing_has_no_steps(string method) =>
        Assert.Null(Run(Tasks($"[Task] public {method} => throw new Exception();")).Compilation.GetTypeByMetadataName("Acme.NewsSteps"));

    [Fact]
    public void Documented_steps_keep_the_words_of_the_task_without_its_first_parameter()
    {
        var step = Run(Tasks("""
            /// <summary>Copies <paramref name="x"/> to <paramref name="y"/>.</summary>
            /// <param name="x">From.</param>
            /// <param name="y">To.</param>
            [Task] public void A(int x, int y) { }
            """)).Compilation.GetTypeByMetadataName("Acme.NewsSteps")!.GetMembers("A").Single();

        var xml = step.GetDocumentationCommentXml(cancellationToken: TestContext.Current.CancellationToken)!;
        Assert.Contains("<summary>Copies <c>x</c> to <paramref name=\"y\" />.</summary>", xml, StringComparison.Ordinal);
        Assert.Contains("<param name=\"y\">To.</param>", xml, StringComparison.Ordinal);
        Assert.DoesNotContain("From.", xml, StringComparison.Ordinal);
    }

    /// <summary>Both overloads have jobs, and nobody has to rename a method for a step that nobody uses.</summary>
    [Fact]
    public void Tasks_that_differ_in_their_first_parameter_only_are_an_error_where_their_step_is_used()
    {
        const string Overloads = """
            /// <summary>A.</summary>
            [Task("a")] public void A(int x, string y) { }
            /// <summary>A.</summary>
            [Task("b")] public void A(string x, string y) { }
            """;
        Assert.Empty(Reported(Tasks(Overloads)));
        Assert.Empty(Compilation(Tasks(Overloads)));

        var problem = Assert.Single(Compilation(Tasks(Overloads), "class User { object M() => Acme.NewsSteps.A(\"y\"); }"));
        Assert.Equal(
            "'NewsSteps.A(string)' is obsolete: 'Several tasks would have this step, because they differ in their first parameter only. "
                + "Rename one of their methods.'",
            problem.Text());
        Assert.Equal(("CS0619", DiagnosticSeverity.Error), (problem.Id, problem.Severity));
    }

    static readonly SymbolDisplayFormat signature = new(
        typeQualificationStyle: SymbolDisplayTypeQualificationStyle.NameAndContainingTypesAndNamespaces,
        genericsOptions: SymbolDisplayGenericsOptions.IncludeTypeParameters,
        memberOptions: SymbolDisplayMemberOptions.IncludeType | SymbolDisplayMemberOptions.IncludeParameters,
        parameterOptions: SymbolDisplayParameterOptions.IncludeType | SymbolDisplayParameterOptions.IncludeName
            | SymbolDisplayParameterOptions.IncludeDefaultValue | SymbolDisplayParameterOptions.IncludeParamsRefOut,
        miscellaneousOptions: SymbolDisplayMiscellaneousOptions.UseSpecialTypes | SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier);

    static async Task SameAsync<TIn>(Job job, Step<TIn> step)
    {
        var all = JsonNode.Parse(Call.Written(job))!.AsArray();
        var arguments = JsonNode.Parse(Call.Written(step.Job))!.AsArray();
        arguments.Insert(0, all[0]?.DeepClone());

        Assert.Equal(all.ToJsonString(), arguments.ToJsonString());
        Assert.Equal(await Call.RoundTripAsync(job), await Call.ReceivedAsync(step.Job.Definition!, arguments.ToJsonString()));
    }
}
