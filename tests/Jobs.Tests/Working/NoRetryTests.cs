using Jobs.Contracts;
using Jobs.Registry;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>Exceptions that no later attempt can be without.</summary>
public sealed class NoRetryTests
{
    [Theory]
    [InlineData("itself")]
    [InlineData("derived")]
    [InlineData("Wait")]
    public async Task A_job_that_fails_with_one_of_them_is_a_dead_letter_at_once(string how)
    {
        var task = TestTask("t", () => how switch
        {
            "itself" => new FormatException("no number"),
            "derived" => new UriFormatException("no number"),
            _ => new AggregateException(new TimeoutException(), new FormatException("no number")),
        });
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("t");

        var reason = (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason);
        Assert.Contains("NoRetryOn", reason, StringComparison.Ordinal);
        Assert.Equal(1, task.Runs);
    }

    [Theory]
    [InlineData("another exception")]
    [InlineData("it asks for a retry")]
    public async Task Everything_else_is_retried_and_what_the_task_says_itself_counts_more(string how)
    {
        var task = TestTask("t", () => how == "another exception" ? new TimeoutException() : new AggregateException(new FormatException(), new RetryJobException(TimeSpan.FromHours(1))));
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("t", "j");
        await host.AckedAsync("j");

        Assert.Equal(2, host.Published("j").Length);
    }

    [Fact]
    public void The_attribute_says_which()
    {
        var services = new ServiceCollection();
        new JobsBuilder(services).AddTasks<StrictTasks>();

        var definition = Assert.Single(services.Select(s => s.ImplementationInstance).OfType<TaskDefinition>());
        Assert.Equal([typeof(FormatException), typeof(InvalidCastException)], definition.NoRetryOn);
    }

    static TestTask TestTask(string name, Func<Exception> exception) => new(name, (_, _) => throw exception()) { NoRetryOn = [typeof(FormatException)] };
}

public sealed class StrictTasks
{
    [Task("strict.run", NoRetryOn = [typeof(FormatException), typeof(InvalidCastException)])]
    public void Run()
    {
    }
}
