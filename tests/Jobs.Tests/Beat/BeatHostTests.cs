using Jobs.Registry;
using Jobs.Wire;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Jobs.Tests.Beat;

public sealed class BeatHostTests
{
    [Fact]
    public async Task A_host_fires_schedules_from_attributes_code_and_configuration()
    {
        var clock = new SleepCountingClock(new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
        var dispatcher = new RecordingDispatcher();
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Jobs:Beat:Schedules:configured:Task"] = "news.refresh",
            ["Jobs:Beat:Schedules:configured:Cron"] = "0 18 * * *",
            ["Jobs:Beat:Schedules:configured:TimeZone"] = "Asia/Kolkata",
        });
        builder.Services.AddSingleton<TimeProvider>(clock);
        builder.Services.AddSingleton<IJobDispatcher>(dispatcher);
        builder.Services.AddJobs(jobs => jobs
            .UseInMemory()
            .AddTask(new StubTask { Name = "news.refresh", Class = typeof(BeatHostTests), Schedules = [new() { Cron = "30 12 * * *" }] })
            .AddSchedule("coded", TimeSpan.FromMinutes(30), new Job("news.refresh"))
            .AddBeat());
        using var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        await AllAsleepAsync();

        clock.Advance(TimeSpan.FromMinutes(30));
        await AllAsleepAsync();
        await host.StopAsync(TestContext.Current.CancellationToken);

        // 18:00 in Kolkata is 12:30 UTC.
        Assert.Equal(["coded@20260301T123000Z", "configured@20260301T123000Z", "news.refresh@20260301T123000Z"], dispatcher.Enqueued.Select(job => job.Id).Order());

        async Task AllAsleepAsync()
        {
            var begun = TimeProvider.System.GetTimestamp();
            while (clock.Sleeping != 3)
            {
                Assert.True(TimeProvider.System.GetElapsedTime(begun) < TimeSpan.FromSeconds(20), "The schedules do not sleep.");
                await Task.Yield();
            }
        }
    }

    sealed class StubTask : TaskDefinition
    {
        public override ValueTask InvokeAsync(JobContext context, ref ArgumentReader arguments) => default;
    }
}
