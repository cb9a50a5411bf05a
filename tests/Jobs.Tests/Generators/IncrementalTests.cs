using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;
using static Jobs.Tests.Generators.GeneratorRun;

namespace Jobs.Tests.Generators;

/// <summary>The generator runs on every key stroke in an editor; only what changed may cost anything.</summary>
public sealed class IncrementalTests
{
    const string Other = "class Other { void M() { } }";

    static readonly string tasks = Tasks("""
        [Task, Cron("* * * * *")] public void A(int x = 1, List<string>? y = null) { }
        [Task("bad name")] public void B() { }
        """);

    [Fact]
    public void An_edit_in_another_file_regenerates_nothing()
    {
        var reasons = Reasons(tasks, Other, compilation => compilation.ReplaceSyntaxTree(
            compilation.SyntaxTrees[2], CSharpSyntaxTree.ParseText(Other + " class More { int f; }", GeneratorRun.ParseOptions, "File2.cs", cancellationToken: TestContext.Current.CancellationToken)));

        Assert.NotEmpty(reasons);
        Assert.All(reasons, r => Assert.True(r.Reason is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged, $"{r.Step}: {r.Reason}"));
    }

    [Fact]
    public void An_edit_that_only_moves_the_tasks_generates_no_source_again()
    {
        var reasons = Reasons(tasks, Other, compilation => compilation.ReplaceSyntaxTree(
            compilation.SyntaxTrees[1], CSharpSyntaxTree.ParseText("// A comment.\n" + tasks.Replace("{ }", "{ return; }", StringComparison.Ordinal), GeneratorRun.ParseOptions, "File1.cs", cancellationToken: TestContext.Current.CancellationToken)));

        Assert.All(reasons.Where(r => r.Step is "Classes" or "Modules"), r =>
            Assert.True(r.Reason is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged, $"{r.Step}: {r.Reason}"));
    }

    [Fact]
    public void A_new_parameter_generates_the_class_again()
    {
        var reasons = Reasons(tasks, Other, compilation => compilation.ReplaceSyntaxTree(
            compilation.SyntaxTrees[1], CSharpSyntaxTree.ParseText(tasks.Replace("int x", "long x", StringComparison.Ordinal), GeneratorRun.ParseOptions, "File1.cs", cancellationToken: TestContext.Current.CancellationToken)));

        Assert.Contains(reasons, r => r is { Step: "Classes", Reason: IncrementalStepRunReason.Modified });
        Assert.DoesNotContain(reasons, r => r is { Step: "Modules", Reason: IncrementalStepRunReason.Modified });
    }

    [Fact]
    public void A_change_to_one_class_leaves_the_others_alone()
    {
        const string Mail = "public class MailTasks { [Task] public void Send(int x) { } }";
        var reasons = Reasons(tasks, Mail, compilation => compilation.ReplaceSyntaxTree(
            compilation.SyntaxTrees[2], CSharpSyntaxTree.ParseText(Mail.Replace("int x", "long x", StringComparison.Ordinal), GeneratorRun.ParseOptions, "File2.cs", cancellationToken: TestContext.Current.CancellationToken)));

        Assert.Equal(
            [IncrementalStepRunReason.Unchanged, IncrementalStepRunReason.Modified],
            reasons.Where(r => r.Step == "Classes").Select(r => r.Reason));
    }

    [Fact]
    public void Two_runs_generate_the_same_bytes() =>
        Assert.Equal(Run(tasks).Result.GeneratedTrees.Select(t => t.ToString()), Run(tasks).Result.GeneratedTrees.Select(t => t.ToString()));

    /// <summary>Why each step of ours, and each output, ran the second time.</summary>
    static List<(string Step, IncrementalStepRunReason Reason)> Reasons(string first, string second, Func<CSharpCompilation, Compilation> edit)
    {
        var compilation = Compile(first, second);
        GeneratorDriver driver = Driver();
        driver = driver.RunGenerators(compilation, TestContext.Current.CancellationToken);
        driver = driver.RunGenerators(edit(compilation), TestContext.Current.CancellationToken);
        var result = driver.GetRunResult().Results.Single();
        return
        [
            .. result.TrackedSteps.Where(s => s.Key is "Results" or "Classes" or "Modules").Concat(result.TrackedOutputSteps)
                .SelectMany(s => s.Value.SelectMany(run => run.Outputs.Select(o => (s.Key, o.Reason)))),
        ];
    }
}
