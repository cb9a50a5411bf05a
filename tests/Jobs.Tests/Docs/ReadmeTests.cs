using System.Diagnostics;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Docs;

/// <summary>What the READMEs show compiles, and what they say it prints is what it prints.</summary>
public sealed class ReadmeTests
{
    static readonly TimeSpan outputWithin = TimeSpan.FromSeconds(20);

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static TheoryData<string, int> Blocks => [.. CodeBlock.All().Select(b => (b.File, b.Line))];

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Every_code_block_of_a_readme_compiles(string file, int line)
    {
        var block = CodeBlock.All().Single(b => b.File == file && b.Line == line);

        var problems = ReadmeCompiler.Compile(block).GetDiagnostics(Stop).Where(d => d.Severity == DiagnosticSeverity.Error);

        Assert.Empty(problems);
    }

    [Fact]
    public async Task The_program_at_the_top_of_the_readme_prints_what_the_readme_says()
    {
        var program = Assert.Single(CodeBlock.All(), b => b.Kind == "program");
        var folder = Directory.CreateTempSubdirectory("jobs-readme-");
        try
        {
            using var process = Process.Start(new ProcessStartInfo("dotnet", [ReadmeCompiler.Write(program, folder.FullName)])
            {
                WorkingDirectory = folder.FullName, // its jobs.db must be nobody else's
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            try
            {
                var error = process.StandardError.ReadToEndAsync(Stop);
                var printed = new List<string>();
                foreach (var _ in program.Output)
                {
                    printed.Add(await process.StandardOutput.ReadLineAsync(Stop).AsTask().WaitAsync(outputWithin, Stop) ?? $"(it ended) {await error}");
                }

                // It runs until it is stopped; then it has printed nothing else.
                using var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
                var rest = await process.StandardOutput.ReadToEndAsync(Stop).WaitAsync(outputWithin, Stop);
                await process.WaitForExitAsync(Stop).WaitAsync(outputWithin, Stop);

                Assert.Equal(program.Output, printed);
                Assert.Equal("", rest);
                Assert.Equal(0, process.ExitCode);
            }
            finally
            {
                if (!process.HasExited)
                {
                    process.Kill();
                }
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task The_configuration_in_the_readme_starts_a_beat_with_its_schedule()
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        var json = text.Split("```json\n")[1].Split("```")[0];
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json)));
        builder.Services.AddJobs(jobs => jobs.UseInMemory().AddBeat());
        using var host = builder.Build();

        await host.StartAsync(Stop); // throws when anything in it is wrong
        var schedule = Assert.Single(host.Services.GetRequiredService<IOptions<BeatOptions>>().Value.Schedules);
        await host.StopAsync(Stop);

        Assert.Equal("news.espn", schedule.Key);
        Assert.Equal("news.refresh", schedule.Value.Task);
    }

    [Fact]
    public void The_readme_lists_the_words_that_hide_values() => Assert.Contains(
        $"```text\n{string.Join(' ', new JobsOptions().SensitiveNames)}\n```", File.ReadAllText(Path.Combine(Repository.Root, "README.md")), StringComparison.Ordinal);

    [Fact]
    public void The_readme_shows_code_by_line_15() =>
        Assert.InRange(CodeBlock.All().First(b => b.File == "README.md").Line, 1, 15);
}
