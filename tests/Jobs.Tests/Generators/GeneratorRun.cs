using System.Collections.Immutable;
using Jobs.Generators;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;

namespace Jobs.Tests.Generators;

/// <summary>Runs the generator on a piece of source, the way the compiler does.</summary>
static class GeneratorRun
{
    public static readonly CSharpParseOptions ParseOptions = new(LanguageVersion.Preview, DocumentationMode.Diagnose);

    const string Usings = """
        global using System;
        global using System.Collections.Generic;
        global using System.Threading;
        global using System.Threading.Tasks;
        global using Jobs;

        """;

    static readonly ImmutableArray<MetadataReference> references =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(p => !Path.GetFileName(p).StartsWith("Jobs.Tests", StringComparison.Ordinal))
            .Select(p => MetadataReference.CreateFromFile(p)),
    ];

    public static CSharpCompilation Compile(params string[] sources) => CSharpCompilation.Create(
        "Acme.News",
        sources.Prepend(Usings).Select((s, i) => CSharpSyntaxTree.ParseText(s, ParseOptions, $"File{i}.cs")),
        references,
        new(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable, warningLevel: 9999, allowUnsafe: true));

    public static CSharpGeneratorDriver Driver() => CSharpGeneratorDriver.Create(
        [new TaskGenerator().AsSourceGenerator()],
        parseOptions: ParseOptions,
        driverOptions: new(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));

    /// <summary>What the generator reported.</summary>
    public static ImmutableArray<Diagnostic> Reported(params string[] sources) => Run(sources).Reported;

    /// <summary>What the compiler says about the source and what was generated from it: warnings too, unused things apart.</summary>
    public static IEnumerable<Diagnostic> Compilation(params string[] sources) => Run(sources).Compilation.GetDiagnostics(TestContext.Current.CancellationToken)
        .Where(d => d.Severity >= DiagnosticSeverity.Warning);

    public static (Compilation Compilation, ImmutableArray<Diagnostic> Reported, GeneratorDriverRunResult Result) Run(params string[] sources)
    {
        var driver = Driver().RunGeneratorsAndUpdateCompilation(Compile(sources), out var compilation, out var reported, TestContext.Current.CancellationToken);
        return (compilation, reported, driver.GetRunResult());
    }

    /// <summary>The message, in the language of the tests.</summary>
    public static string Text(this Diagnostic diagnostic) => diagnostic.GetMessage(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The body of a class <c>NewsTasks</c> in namespace <c>Acme</c>.</summary>
    public static string Tasks(string members) => $$"""
        namespace Acme;

        /// <summary>Tasks.</summary>
        public sealed class NewsTasks
        {
            {{members}}
        }
        """;
}
