using Xunit;

namespace Jobs.Tests.Generators;

/// <summary>What a task returns, as it travels to whoever waits for it.</summary>
public sealed class ResultTests
{
    [Fact]
    public async Task Results_are_written_as_arguments_are()
    {
        Assert.Equal("\"value\"", await Call.WrittenResultAsync(ReturnJobs.Value()));
        Assert.Equal("1", await Call.WrittenResultAsync(ReturnJobs.TaskOf()));
        Assert.Equal("[null]", await Call.WrittenResultAsync(ReturnJobs.ValueTaskOf()));
        Assert.Equal("""{"a":"Blue","b":null,"c":9}""", await Call.WrittenResultAsync(ReturnJobs.Map()));
        Assert.Equal("""{"Number":1,"Lines":["x"]}""", await Call.WrittenResultAsync(ReturnJobs.Record()));
        Assert.Equal("\"2026-02-03T02:05:06.123456+00:00\"", await Call.WrittenResultAsync(ReturnJobs.Time()));
    }

    [Fact]
    public async Task A_task_without_a_result_gives_null()
    {
        Assert.Equal("null", await Call.WrittenResultAsync(ReturnJobs.Nothing()));
        Assert.Equal("null", await Call.WrittenResultAsync(ReturnJobs.Task()));
        Assert.Equal("null", await Call.WrittenResultAsync(ReturnJobs.ValueTask()));
    }

    [Fact]
    public async Task A_null_that_the_type_does_not_allow_travels_all_the_same() =>
        Assert.Equal("null", await Call.WrittenResultAsync(ReturnJobs.Missing()));

    [Fact]
    public async Task A_result_that_cannot_be_written_does_not_look_like_a_failure_of_the_task()
    {
        var thrown = await Assert.ThrowsAsync<JobFormatException>(() => Call.WrittenResultAsync(ReturnJobs.Broken()));

        Assert.StartsWith("Task 'return.broken' returned a value that cannot be written: a value of type Jobs.Tests.Generators.BrokenResult cannot be written as JSON: broken getter", thrown.Message, StringComparison.Ordinal);
        Assert.IsType<InvalidOperationException>(thrown.InnerException);
    }
}
