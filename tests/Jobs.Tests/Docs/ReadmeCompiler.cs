using System.Collections.Immutable;
using Jobs.Generators;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;

namespace Jobs.Tests.Docs;

/// <summary>Compiles a block with the generator, as a project that references Jobs would.</summary>
static class ReadmeCompiler
{
    // What a project with <ImplicitUsings> has, and what every page takes for granted.
    const string Usings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    const string FragmentUsings = """
        global using Jobs;
        global using Microsoft.Extensions.DependencyInjection;
        global using Microsoft.Extensions.Hosting;
        """;

    // The cast of the examples; a block that defines one of them itself goes without ours.
    static readonly Dictionary<string, string> cast = new()
    {
        ["FeedClient"] = "public sealed class FeedClient { public Task<string[]> FetchAsync(string source, CancellationToken cancellationToken) => throw new NotSupportedException(); }",
        ["NewsDb"] = "public sealed class NewsDb { public int Add(string source, string[] headlines) => 0; }",
        ["NewsTasks"] = """public sealed class NewsTasks { [Task("news.refresh")] public int Refresh(string source = "cricket") => 0; }""",
        ["ProfileTasks"] = """public sealed class ProfileTasks { [Task("profile.refresh")] public void Refresh(string user) { } }""",
    };

    static readonly CSharpParseOptions parseOptions = new(LanguageVersion.CSharp13);

    static readonly ImmutableArray<MetadataReference> references =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(p => !Path.GetFileName(p).StartsWith("Jobs.Tests", StringComparison.Ordinal))
            .Select(p => MetadataReference.CreateFromFile(p)),
    ];

    public static Compilation Compile(CodeBlock block)
    {
        var given = cast.Where(c => !block.Code.Contains($"class {c.Key}", StringComparison.Ordinal)).Select(c => c.Value);
        string[] sources = block.Kind switch
        {
            "program" => [Usings, block.Code],
            "file" => [Usings, FragmentUsings, .. given, block.Code],
            "members" => [Usings, FragmentUsings, .. given, $"public sealed class Example {{ {block.Code} }}"],
            "statements" => [Usings, FragmentUsings, .. given, InMethod(block.Code)],
            _ => throw new FormatException($"{block.File}, line {block.Line}: there is no such kind of block as '{block.Kind}'."),
        };
        var compilation = CSharpCompilation.Create(
            "Readme",
            sources.Select(source => CSharpSyntaxTree.ParseText(source.Replace("{ … }", "{ throw null!; }", StringComparison.Ordinal), parseOptions)),
            references,
            new(block.Kind == "program" ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));
        CSharpGeneratorDriver.Create([new TaskGenerator().AsSourceGenerator()], parseOptions: parseOptions)
            .RunGeneratorsAndUpdateCompilation(compilation, out var generated, out _, TestContext.Current.CancellationToken);
        return generated;
    }

    /// <summary>Writes a program with all it needs to run into a folder.</summary>
    /// <returns>The path to run.</returns>
    public static string Write(CodeBlock program, string folder)
    {
        // Everything beside the tests except the tests; without a .deps.json the host takes what lies beside the program.
        string[] wanted = ["Jobs", "Microsoft.Extensions", "Microsoft.Data.Sqlite", "SQLitePCLRaw", "Cronos.dll"];
        var native = ((string)AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES")!)
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Where(Directory.Exists)
            .SelectMany(directory => Directory.GetFiles(directory, "*e_sqlite3.*"));
        foreach (var path in Directory.GetFiles(AppContext.BaseDirectory, "*.dll")
            .Where(path => Array.Exists(wanted, name => Path.GetFileName(path).StartsWith(name, StringComparison.Ordinal)))
            .Concat(native))
        {
            File.Copy(path, Path.Combine(folder, Path.GetFileName(path)), overwrite: true);
        }

        File.Copy(Path.Combine(AppContext.BaseDirectory, "Jobs.Tests.runtimeconfig.json"), Path.Combine(folder, "Readme.runtimeconfig.json"));
        var result = Compile(program).Emit(Path.Combine(folder, "Readme.dll"), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Empty(result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error));
        return Path.Combine(folder, "Readme.dll");
    }

    static string InMethod(string statements) => $$"""
        static class Example
        {
            static async Task RunAsync(IJobDispatcher dispatcher, IHostApplicationBuilder builder, string user, DateTimeOffset tomorrow)
            {
                await Task.CompletedTask;
                {{statements}}
            }
        }
        """;
}
