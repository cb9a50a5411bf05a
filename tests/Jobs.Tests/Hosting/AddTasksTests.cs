using Jobs.Registry;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>How tasks are registered.</summary>
public sealed class AddTasksTests
{
    readonly ServiceCollection services = new();

    [Fact]
    public void The_tasks_of_a_static_class_are_added_by_its_type()
    {
        new JobsBuilder(services).AddTasks(typeof(StaticTasks));
        Assert.Equal(["static.run"], Names());
    }

    [Fact]
    public void An_assembly_adds_all_its_tasks()
    {
        new JobsBuilder(services).AddTasks();
        var generated = Names();
        services.Clear();
        new JobsBuilder(services).AddTasks(typeof(AddTasksTests).Assembly);

        Assert.Contains("static.run", generated);
        Assert.Equal(generated, Names());
    }

    [Fact]
    public void What_has_no_tasks_is_refused()
    {
        var jobs = new JobsBuilder(services);
        Assert.Contains("Object", Assert.Throws<ArgumentException>(() => jobs.AddTasks(typeof(object))).Message, StringComparison.Ordinal);
        Assert.Contains("Jobs.RabbitMQ", Assert.Throws<ArgumentException>(() => jobs.AddTasks(typeof(RabbitMqOptions).Assembly)).Message, StringComparison.Ordinal);
    }

    string[] Names() => [.. services.Select(s => s.ImplementationInstance).OfType<TaskDefinition>().Select(t => t.Name).Distinct().Order()];
}

public static class StaticTasks
{
    [Task("static.run")]
    public static void Run()
    {
    }
}
