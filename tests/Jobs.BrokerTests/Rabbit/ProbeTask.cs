using System.Collections.Concurrent;
using Jobs.Registry;
using Jobs.Wire;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>A task written by hand, so that a test sees every run: <c>probe.run(text, number = 0)</c>.</summary>
sealed class ProbeTask : TaskDefinition
{
    static readonly string[] parameters = ["text", "number"];

    readonly Func<JobContext, string, ValueTask> body;
    readonly ConcurrentDictionary<string, int> runs = new(StringComparer.Ordinal);
    int total;
    int running;

    [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
    public ProbeTask(Func<JobContext, string, ValueTask>? body = null)
    {
        (Name, Class) = ("probe.run", typeof(ProbeTask));
        this.body = body ?? ((_, _) => ValueTask.CompletedTask);
    }

    /// <summary>Runs that have begun, by job id.</summary>
    public IReadOnlyDictionary<string, int> Runs => runs;

    /// <summary>Runs that have come to an end.</summary>
    public int Total => Volatile.Read(ref total);

    public int Running => Volatile.Read(ref running);

    public ConcurrentQueue<(string Text, int Number)> Arguments { get; } = new();

    public static Job Job(string text = "") => new("probe.run", [text]);

    public override ValueTask InvokeAsync(JobContext context, ref ArgumentReader arguments)
    {
        string? text = null;
        var number = 0;
        var reader = arguments.For(parameters);
        if (reader.Next())
        {
            text = reader.GetString();
        }
        else
        {
            reader.Require();
        }

        if (reader.Next())
        {
            number = reader.GetInt32();
        }

        reader.End();
        return RunAsync(context, text!, number);
    }

    async ValueTask RunAsync(JobContext context, string text, int number)
    {
        runs.AddOrUpdate(context.Id, 1, (_, before) => before + 1);
        Arguments.Enqueue((text, number));
        Interlocked.Increment(ref running);
        try
        {
            await body(context, text);
        }
        finally
        {
            Interlocked.Decrement(ref running);
            Interlocked.Increment(ref total);
        }
    }
}
