using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Jobs.Registry;
using Jobs.Wire;

namespace Jobs.Tests.Working;

/// <summary>A task as the generator writes it, around a delegate: one optional parameter, <c>text</c>.</summary>
sealed class TestTask : TaskDefinition
{
    static readonly string[] parameters = ["text"];

    readonly Func<JobContext, string, Task> run;
    int runs;

    [SetsRequiredMembers]
    public TestTask(string name, Func<JobContext, string, Task> run)
    {
        (Name, Class, this.run) = (name, typeof(TestTask), run);
    }

    public int Runs => Volatile.Read(ref runs);

    // A test looks for this frame in the stack of a dead letter, also after the JIT has optimized its caller.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public override ValueTask InvokeAsync(JobContext context, ref ArgumentReader arguments)
    {
        var reader = arguments.For(parameters);
        var text = reader.Next() ? reader.GetString() : "";
        reader.End();
        Interlocked.Increment(ref runs);
        return new(run(context, text));
    }

    public static TestTask Returning(string name) => new(name, (_, _) => Task.CompletedTask);

    public static TestTask Throwing(string name, Func<Exception> exception) => new(name, (_, _) => throw exception());
}
