using Microsoft.CodeAnalysis;
using Xunit;
using static Jobs.Tests.Generators.GeneratorRun;

namespace Jobs.Tests.Generators;

/// <summary>
/// What the compiler says when a step does not fit what runs before it: one error, which names both types. See
/// <see cref="StepDoesNotFit"/>.
/// </summary>
public sealed class StepErrorTests
{
    /// <summary>Load: nothing → int. Name: int → string. Print: string → nothing. Clean: nothing → nothing.</summary>
    const string Pipeline = """
        namespace Acme;

        public static class NewsTasks
        {
            [Task] public static int Load() => 1;
            [Task] public static List<string> Split() => [];
            [Task] public static string Name(int x) => "";
            [Task] public static void Print(string x) { }
            [Task] public static void Maybe(int? x) { }
            [Task] public static void Log(object x) { }
            [Task] public static int Count(IEnumerable<string> x) => 1;
            [Task] public static void Clean() { }
        }
        """;

    [Theory]
    [InlineData("NewsJobs.Load().Then(NewsSteps.Print())", "CS0315", "There is no boxing conversion from 'int' to 'string'.")]
    [InlineData("NewsJobs.Split().Then(NewsSteps.Name())", "CS0311", "There is no implicit reference conversion from 'System.Collections.Generic.List<string>' to 'int'.")]
    [InlineData("NewsJobs.Load().Then(NewsSteps.Count())", "CS0315", "There is no boxing conversion from 'int' to 'System.Collections.Generic.IEnumerable<string>'.")]
    [InlineData("NewsJobs.Load().Then(NewsSteps.Maybe())", "CS0315", "There is no boxing conversion from 'int' to 'int?'.")]
    [InlineData("NewsJobs.Load().OnSuccess(NewsSteps.Print())", "CS0315", "There is no boxing conversion from 'int' to 'string'.")]
    [InlineData("NewsJobs.Load().Then(NewsSteps.Name()).Then(NewsSteps.Name())", "CS0311", "There is no implicit reference conversion from 'string' to 'int'.")]
    [InlineData("NewsJobs.Clean().Then(NewsJobs.Load()).Then(NewsSteps.Print())", "CS0315", "There is no boxing conversion from 'int' to 'string'.")]
    [InlineData("NewsJobs.Load().Then(NewsSteps.Print()).Then(NewsJobs.Clean())", "CS0315", "There is no boxing conversion from 'int' to 'string'.")]
    public void A_step_after_a_result_of_another_type_is_one_error_that_names_both_types(string expression, string id, string reason)
    {
        var problem = Assert.Single(Errors(expression));

        Assert.Equal(id, problem.Id);
        Assert.Contains("cannot be used as type parameter 'TResult' in the generic type or method 'Canvas.", problem.Text(), StringComparison.Ordinal);
        Assert.EndsWith(reason, problem.Text(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("NewsJobs.Clean().Then(NewsSteps.Print())", "Job", "string")]
    [InlineData("NewsJobs.Clean().Then(NewsSteps.Name())", "Job", "int")]
    [InlineData("NewsJobs.Clean().OnSuccess(NewsSteps.Print())", "Job", "string")]
    [InlineData("NewsJobs.Load().Then(NewsJobs.Clean()).Then(NewsSteps.Print())", "Chain", "string")]
    [InlineData("NewsJobs.Load().Then(NewsJobs.Clean()).Then(NewsSteps.Name())", "Chain", "int")]
    public void A_step_after_no_result_is_one_error_that_says_what_is_missing(string expression, string before, string taken)
    {
        var problem = Assert.Single(Errors(expression));

        Assert.Equal("CS0311", problem.Id);
        Assert.Contains($"The type 'Jobs.{before}' cannot be used", problem.Text(), StringComparison.Ordinal);
        Assert.Contains("method 'StepDoesNotFit.", problem.Text(), StringComparison.Ordinal);
        Assert.EndsWith($"conversion from 'Jobs.{before}' to 'Jobs.SomethingThatReturns<{taken}>'.", problem.Text(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("NewsJobs.Load().Then(NewsSteps.Name()).Then(NewsSteps.Print())")]
    [InlineData("NewsJobs.Split().Then(NewsSteps.Count()).Then(NewsSteps.Name())")]
    [InlineData("NewsJobs.Load().Then(NewsSteps.Log()).Then(NewsJobs.Clean())")]
    [InlineData("NewsJobs.Load().OnSuccess(NewsSteps.Name()).Then(NewsSteps.Name()).OnSuccess(NewsSteps.Print())")]
    [InlineData("NewsJobs.Clean().Then(NewsJobs.Load().Then(NewsSteps.Name())).Then(NewsSteps.Print())")]
    [InlineData("NewsJobs.Clean().OnFailure(NewsSteps.Print()).Then(NewsJobs.Clean()).OnFailure(NewsSteps.Print())")]
    public void Steps_that_fit_compile(string expression) => Assert.Empty(Errors(expression));

    static IEnumerable<Diagnostic> Errors(string expression) =>
        Compilation(Pipeline, $"namespace Acme; class User {{ object M() => {expression}; }}").Where(d => d.Id != "CS1591");
}
