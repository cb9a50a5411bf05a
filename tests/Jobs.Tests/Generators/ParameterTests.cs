using Jobs.Registry;
using Microsoft.CodeAnalysis;
using Xunit;
using static Jobs.Tests.Generators.GeneratorRun;

namespace Jobs.Tests.Generators;

/// <summary>A definition says which parameters are sent, and which of them viewers must not see.</summary>
public sealed class ParameterTests
{
    [Fact]
    public void A_definition_names_the_parameters_that_are_sent()
    {
        TaskParameter[] expected =
        [
            new("user", "string", IsSensitive: false, IsOptional: false),
            new("pin", "int?", IsSensitive: true, IsOptional: false),
            new("class", "List<string?>?", IsSensitive: false, IsOptional: true),
            new("größe", "Nested[]", IsSensitive: true, IsOptional: false),
        ];
        Assert.Equal(expected, ParameterJobs.Take("ann", 1).Definition!.Parameters);
        Assert.Empty(ParameterJobs.Nothing().Definition!.Parameters);
    }

    [Fact]
    public void An_attribute_of_somebody_else_with_that_name_says_nothing()
    {
        var generated = Run("""
            namespace Acme
            {
                sealed class SensitiveAttribute : Attribute;
                public class NewsTasks { [Task] public void Save([Sensitive] int mine, [Jobs.Sensitive] int ours, [Jobs.Sensitive] JobContext context) { } }
            }
            """).Result.GeneratedTrees.Single(tree => tree.FilePath.EndsWith("NewsTasks.g.cs", StringComparison.Ordinal)).ToString();

        Assert.Contains("TaskParameter(\"mine\", \"int\", IsSensitive: false,", generated, StringComparison.Ordinal);
        Assert.Contains("TaskParameter(\"ours\", \"int\", IsSensitive: true,", generated, StringComparison.Ordinal);
        Assert.DoesNotContain("TaskParameter(\"context\"", generated, StringComparison.Ordinal);
    }
}

/// <summary>Tasks with parameters to describe.</summary>
public static class ParameterTasks
{
    /// <summary>Takes some of each.</summary>
    [Task("parameter.take")]
    public static void Take(string user, [Sensitive] int? pin, CancellationToken stop, List<string?>? @class = null, [Sensitive] params Nested[] größe)
    {
    }

    /// <summary>Takes nothing that is sent.</summary>
    [Task("parameter.nothing")]
    public static void Nothing(JobContext context)
    {
    }

    /// <summary>A type in a type.</summary>
    public sealed record Nested(int Number);
}
