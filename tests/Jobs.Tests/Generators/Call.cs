using System.Buffers;
using System.Text;
using System.Text.Json;
using Jobs.Registry;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Generators;

/// <summary>Runs generated definitions the way the executor does.</summary>
static class Call
{
    public static readonly JsonSerializerOptions Json = new JobsOptions().Json;

    /// <summary>The positional arguments of a job as they travel.</summary>
    public static string Written(Job job)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, new() { Encoder = Json.Encoder }))
        {
            writer.WriteStartArray();
            job.Arguments.WritePositional(writer, Json);
            writer.WriteEndArray();
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
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

    public static async Task<string> ErrorAsync(TaskDefinition task, string arguments, string keywords = "{}") =>
        (await Assert.ThrowsAsync<JobFormatException>(() => ReceivedAsync(task, arguments, keywords))).Message;

    static JobContext Context(TaskDefinition task, ServiceProvider provider)
    {
        var message = new JobMessage { Headers = new() { ["task"] = task.Name, ["id"] = "1" }, Body = "[[],{},{}]"u8.ToArray() };
        return new(JobEnvelope.Read(message), "jobs", provider.GetRequiredService<IServiceScopeFactory>(), TestContext.Current.CancellationToken);
    }

    static ValueTask Invoke(TaskDefinition task, JobContext context, string arguments, string keywords)
    {
        var reader = new ArgumentReader(task.Name, Encoding.UTF8.GetBytes(arguments), Encoding.UTF8.GetBytes(keywords), default, Json);
        return task.InvokeAsync(context, ref reader);
    }

    static ValueTask<T> Result<T>(TaskDefinition<T> task, JobContext context, string arguments)
    {
        var reader = new ArgumentReader(task.Name, Encoding.UTF8.GetBytes(arguments), "{}"u8, default, Json);
        return task.CallAsync(context, ref reader);
    }
}
