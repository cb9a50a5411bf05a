using System.Text;
using System.Text.Json;
using Jobs.Registry;
using Jobs.Tests.Working;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Generators;

/// <summary>Runs generated definitions the way the executor does.</summary>
static class Call
{
    public static readonly WireTypes Types = new JobsOptions().Types;

    /// <summary>The positional arguments of a job as they travel.</summary>
    public static string Written(Job job)
    {
        var body = JobBody.Write(job.TaskName, job.Arguments, Types);
        return Encoding.UTF8.GetString(JobBody.Read(body).Arguments.Span);
    }

    /// <summary>What the task received when its job was written and read.</summary>
    public static Task<object?[]> RoundTripAsync(Job job) => ReceivedAsync(job.Definition!, Written(job));

    public static async Task<object?[]> ReceivedAsync(TaskDefinition task, string arguments, string keywords = "{}")
    {
        var services = new ServiceCollection();
        new JobsBuilder(services).AddTasks();
        await using var provider = services.BuildServiceProvider();
        var context = Context(task, provider);
        await Invoke(task, context, arguments, keywords);
        return context.Services.GetRequiredService<EveryTypeTasks>().Received;
    }

    public static async Task<T> ResultAsync<T>(Job<T> job)
    {
        var services = new ServiceCollection();
        new JobsBuilder(services).AddTasks();
        await using var provider = services.BuildServiceProvider();
        return await Result((TaskDefinition<T>)job.Definition!, Context(job.Definition!, provider), Written(job));
    }

    /// <summary>The result's bytes, as somebody who waits for them gets them.</summary>
    public static async Task<string> WrittenResultAsync(Job job)
    {
        var services = new ServiceCollection();
        new JobsBuilder(services).AddTasks();
        await using var provider = services.BuildServiceProvider();
        return Encoding.UTF8.GetString((await InvokeForResult(job.Definition!, Context(job.Definition!, provider), Written(job))).Span);
    }

    public static async Task<string> ErrorAsync(TaskDefinition task, string arguments, string keywords = "{}") =>
        (await Assert.ThrowsAsync<JobFormatException>(() => ReceivedAsync(task, arguments, keywords))).Message;

    static JobContext Context(TaskDefinition task, ServiceProvider provider)
    {
        var message = new JobMessage { Headers = new() { ["task"] = task.Name, ["id"] = "1" }, Body = "[[],{},{}]"u8.ToArray() };
        return new(TestAttempt.Of(message), provider.GetRequiredService<IServiceScopeFactory>(), null!);
    }

    static ValueTask Invoke(TaskDefinition task, JobContext context, string arguments, string keywords)
    {
        var reader = new ArgumentReader(task.Name, Encoding.UTF8.GetBytes(arguments), Encoding.UTF8.GetBytes(keywords), default, Types);
        return task.InvokeAsync(context, ref reader);
    }

    static ValueTask<ReadOnlyMemory<byte>> InvokeForResult(TaskDefinition task, JobContext context, string arguments)
    {
        var reader = new ArgumentReader(task.Name, Encoding.UTF8.GetBytes(arguments), "{}"u8, default, Types);
        return task.InvokeForResultAsync(context, ref reader);
    }

    static ValueTask<T> Result<T>(TaskDefinition<T> task, JobContext context, string arguments)
    {
        var reader = new ArgumentReader(task.Name, Encoding.UTF8.GetBytes(arguments), "{}"u8, default, Types);
        return task.CallAsync(context, ref reader);
    }
}
