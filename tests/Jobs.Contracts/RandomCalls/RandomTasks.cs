using System.Collections.Concurrent;
using System.Reflection;
using CsCheck;
using Jobs.Generators;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;

namespace Jobs.Contracts.RandomCalls;

/// <summary>Tasks with random signatures, made and compiled with the generator once, and random calls of them.</summary>
public sealed class RandomTasks
{
    readonly Assembly assembly;
    readonly MethodInfo[] factories;
    readonly ConcurrentDictionary<string, TaskCompletionSource<object?[]>> waiting = new();

    RandomTasks(Assembly assembly)
    {
        this.assembly = assembly;
        factories = [.. assembly.GetType("Made.MadeJobs")!.GetMethods(BindingFlags.Public | BindingFlags.Static)];
        assembly.GetType("Made.Sink")!.GetField("Took")!.SetValue(null, (Action<JobContext, object?[]>)Took);
        var values = new RandomValues();
        Calls = Gen.Frequency([.. factories.Select(f => (1, new All([.. f.GetParameters().Select(values.Of)]).Select(arguments => new RandomCall(f, arguments))))]);
    }

    /// <summary>Random calls.</summary>
    public Gen<RandomCall> Calls { get; }

    /// <summary>Each job fails so many times before its arguments count.</summary>
    public int Failures { get; init; }

    /// <summary>Makes so many tasks; the same seed makes the same.</summary>
    public static RandomTasks Compile(int seed, int count, int failures = 0)
    {
        var options = new CSharpParseOptions(LanguageVersion.Preview);
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(p => !Path.GetFileName(p).StartsWith("Jobs.Tests", StringComparison.Ordinal) && !Path.GetFileName(p).StartsWith("Jobs.BrokerTests", StringComparison.Ordinal))
            .Select(p => MetadataReference.CreateFromFile(p));
        var source = CSharpSyntaxTree.ParseText(new RandomSource(seed).Write(count), options, cancellationToken: TestContext.Current.CancellationToken);
        var compilation = CSharpCompilation.Create($"Made{seed}", [source], references, new(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));
        CSharpGeneratorDriver.Create([new TaskGenerator().AsSourceGenerator()], parseOptions: options)
            .RunGeneratorsAndUpdateCompilation(compilation, out var generated, out var reported, TestContext.Current.CancellationToken);
        Assert.Empty(reported);
        using var image = new MemoryStream();
        var result = generated.Emit(image, cancellationToken: TestContext.Current.CancellationToken);
        Assert.True(result.Success, string.Join('\n', result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).Take(5)));
        return new(Assembly.Load(image.ToArray())) { Failures = failures };
    }

    /// <summary>Adds them to a host.</summary>
    public JobsBuilder AddTo(JobsBuilder jobs)
    {
        var add = assembly.GetTypes().Single(t => t.Name.StartsWith("JobsOf_", StringComparison.Ordinal)).GetMethod("AddTasks", BindingFlags.NonPublic | BindingFlags.Static)!;
        return (JobsBuilder)add.Invoke(null, [jobs])!;
    }

    /// <summary>Enqueues calls, and waits until each that was not refused has run with arguments that equal what was sent.</summary>
    /// <returns>How many arrived; the others were refused.</returns>
    public async Task<int> ArriveEqualAsync(IJobDispatcher dispatcher, IReadOnlyList<RandomCall> calls)
    {
        var running = new List<(RandomCall Call, Task<object?[]> Received)>();
        foreach (var call in calls)
        {
            var id = Guid.NewGuid().ToString("N");
            var received = waiting[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
            try
            {
                await dispatcher.EnqueueAsync(call.Job() with { Id = id }, TestContext.Current.CancellationToken);
                running.Add((call, received.Task));
            }
            catch (ArgumentException e)
            {
                Assert.True(call.Arguments.Any(SameValue.MayBeRefused), $"{call} was refused: {e.Message}");
                waiting.TryRemove(id, out _);
            }
        }

        foreach (var (call, received) in running)
        {
            var arguments = await received.WaitAsync(TimeSpan.FromMinutes(1), TimeProvider.System, TestContext.Current.CancellationToken);
            for (var i = 0; i < arguments.Length; i++)
            {
                Assert.True(SameValue.Are(call.Arguments[i], arguments[i]), $"{call}: argument {i} arrived as {SameValue.Show(arguments[i])}");
            }
        }

        return running.Count;
    }

    void Took(JobContext context, object?[] arguments)
    {
        if (context.Attempt <= Failures)
        {
            throw new RetryJobException(TimeSpan.Zero);
        }

        if (waiting.TryRemove(context.Id, out var received))
        {
            received.SetResult(arguments);
        }
    }
}

/// <summary>One call of a task's factory.</summary>
public sealed record RandomCall(MethodInfo Factory, object?[] Arguments)
{
    /// <summary>The job, as user code makes it.</summary>
    /// <exception cref="ArgumentException">The factory refuses an argument.</exception>
    public Job Job()
    {
        try
        {
            return (Job)Factory.Invoke(null, Arguments)!;
        }
        catch (TargetInvocationException e) when (e.InnerException is ArgumentException refused)
        {
            throw refused;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Factory.Name}({string.Join(", ", Factory.GetParameters().Zip(Arguments).Select(a => $"{a.First.ParameterType} {SameValue.Show(a.Second)}"))})";
}
