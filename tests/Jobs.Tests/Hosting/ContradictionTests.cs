using Jobs.Tests.Working;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>Settings that are valid one by one and do not go together; and who else checks settings.</summary>
public sealed class ContradictionTests
{
    [Fact]
    public async Task Settings_that_do_not_go_together_are_said_at_start()
    {
        await using var host = JobsHost.Create(jobs => jobs.AddWorker(worker =>
        {
            (worker.DrainTimeout, worker.Concurrency, worker.Prefetch, worker.Queues) = (TimeSpan.FromSeconds(30), 8, 3, ["a", "b"]);
            worker.QueueConcurrency["a"] = 9;
        }));
        await host.StartAsync();

        var lines = host.Logs.Lines.Where(l => l.EventId == 108).Select(l => l.Text).ToList();
        Assert.Equal(3, lines.Count);
        Assert.Contains(lines, line => line.Contains("DrainTimeout 00:00:30 is not below HostOptions.ShutdownTimeout 00:00:30", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("Prefetch 3 of 2 queues", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("QueueConcurrency:a 9", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_defaults_go_together_and_a_process_without_a_worker_hears_nothing_of_its_settings()
    {
        await using var worker = JobsHost.Create(jobs => jobs.AddWorker());
        await worker.StartAsync();
        await using var web = JobsHost.Create(jobs => jobs.Services.Configure<WorkerOptions>(o => o.DrainTimeout = TimeSpan.FromHours(1)));
        await web.StartAsync();

        Assert.DoesNotContain(worker.Logs.Lines.Concat(web.Logs.Lines), l => l.EventId == 108);
    }

    [Fact]
    public async Task A_check_of_the_applications_own_counts_and_all_problems_are_reported_at_once()
    {
        await using var host = JobsHost.Create(jobs =>
        {
            jobs.AddWorker(worker => (worker.Concurrency, worker.MaxDeliveries) = (0, 1)).AddBeat(beat => beat.MisfireCap = 0);
            jobs.Services.AddOptions<WorkerOptions>().Validate(_ => false, "not on a Friday");
        });

        var failures = (await Assert.ThrowsAsync<OptionsValidationException>(host.StartAsync)).Failures.ToList();
        Assert.Equal(4, failures.Count);
        Assert.Contains("not on a Friday", failures);
    }

    [Fact]
    public async Task Options_that_are_not_valid_are_refused_to_whoever_asks_for_them()
    {
        await using var host = JobsHost.Create(jobs => jobs.AddWorker(worker => worker.Concurrency = 0));
        Assert.Throws<OptionsValidationException>(() => host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value);
    }

    [Fact]
    public async Task A_limit_of_a_queue_that_the_worker_does_not_take_from_is_refused()
    {
        await using var host = JobsHost.Create(jobs => jobs.AddWorker(), [new("Jobs:Worker:QueueConcurrency:imges", "2"), new("Jobs:Worker:Queues:0", "images")]);
        var problem = Assert.Single((await Assert.ThrowsAsync<OptionsValidationException>(host.StartAsync)).Failures);
        Assert.Contains("QueueConcurrency:imges", problem, StringComparison.Ordinal);
        Assert.Contains("images", problem, StringComparison.Ordinal);
    }
}
