using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>How many jobs run at once.</summary>
public sealed class ConcurrencyTests
{
    /// <summary>Slots are counted once, whatever a job does. (MassTransit #5668, Solid Queue's semaphores)</summary>
    [Fact]
    public async Task Never_more_jobs_run_than_the_limit_and_slots_come_back_after_exceptions()
    {
        var gauge = new Gauge();
        var task = new TestTask("work", (_, text) => gauge.RunAsync(text == "fail"));
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddWorker(w => w.Concurrency = 3).Configure(o => o.MaxRetries = 0), task);
        for (var i = 0; i < 30; i++)
        {
            await host.EnqueueAsync(new Job("work", [i % 2 == 0 ? "fail" : "ok"]));
        }

        await Wait.Until(() => gauge.Running == 3);
        gauge.Release(29);
        await Wait.Until(() => gauge.Ended == 29);
        gauge.Release(1);
        await Wait.Until(() => host.Transport.Settled.Count == 30);

        Assert.Equal(3, gauge.Highest);
        Assert.Equal(15, await host.CountAsync("jobs.dead"));
    }

    /// <summary>A limit that once forgets to take a slot back ends in a worker that looks alive and runs nothing. (MassTransit #5668, Solid Queue's semaphores)</summary>
    [Fact]
    public async Task The_only_slot_comes_back_after_jobs_that_throw_at_once_later_or_are_cancelled()
    {
        using var own = new CancellationTokenSource();
        await own.CancelAsync();
        var task = new TestTask("work", (_, text) => text switch
        {
            "throws at once" => throw new InvalidOperationException(),
            "throws later" => Task.FromException(new TimeoutException()),
            "cancels itself" => Task.FromCanceled(own.Token),
            "throws a cancellation" => throw new OperationCanceledException(),
            _ => Task.CompletedTask,
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddWorker(w => w.Concurrency = 1).Configure(o => o.MaxRetries = 0), task);
        string[] bad = ["throws at once", "throws later", "cancels itself", "throws a cancellation"];
        foreach (var text in bad)
        {
            await host.EnqueueAsync(new Job("work", [text]));
        }

        await host.EnqueueAsync(new Job("work", ["ends"]) { Id = "last" });

        await host.AckedAsync("last");
        Assert.Equal(bad.Length, await host.CountAsync("jobs.dead"));
    }

    [Fact]
    public async Task A_queue_with_a_limit_of_its_own_takes_no_more_slots_and_leaves_the_others_to_other_queues()
    {
        var gauges = new Dictionary<string, Gauge> { ["few"] = new(), ["many"] = new() };
        var task = new TestTask("work", (context, _) => gauges[context.Queue].RunAsync(fail: context.Id.EndsWith('3')));
        await using var host = await JobsHost.StartAsync(
            jobs => jobs.Configure(o => o.MaxRetries = 0).AddWorker(w =>
            {
                (w.Concurrency, w.Queues) = (5, ["few", "many"]);
                w.QueueConcurrency["few"] = 2;
            }),
            task);
        for (var i = 0; i < 6; i++)
        {
            await host.EnqueueAsync(new Job("work") { Queue = "few", Id = $"few{i}" });
        }

        await Wait.Until(() => gauges["few"].Running == 2);
        for (var i = 0; i < 4; i++)
        {
            await host.EnqueueAsync(new Job("work") { Queue = "many", Id = $"many{i}" });
        }

        await Wait.Until(() => gauges["many"].Running == 3); // the three slots that are left
        Assert.Equal(1, host.Waiting); // the fourth of "many"; those of "few" wait for their own
        gauges["few"].Release(6);
        await Wait.Until(() => gauges["few"].Ended == 6);
        gauges["many"].Release(4);
        await Wait.Until(() => host.Transport.Settled.Count == 10);

        Assert.Equal(2, gauges["few"].Highest);
    }

    [Fact]
    public async Task All_queues_share_the_slots()
    {
        var gauge = new Gauge();
        var task = new TestTask("work", (_, _) => gauge.RunAsync(fail: false));
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddWorker(w => (w.Concurrency, w.Queues) = (2, ["a", "b", "c"])), task);
        foreach (var queue in new[] { "a", "b", "c", "a", "b", "c" })
        {
            await host.EnqueueAsync(new Job("work") { Queue = queue });
        }

        await Wait.Until(() => gauge.Running == 2);
        gauge.Release(6);
        await Wait.Until(() => host.Transport.Settled.Count == 6);

        Assert.Equal(2, gauge.Highest);
        Assert.Equal(["a", "b", "c"], host.Transport.Settled.Select(s => s.Queue).Distinct().Order());
    }

    [Fact]
    public async Task A_worker_without_queues_takes_those_of_its_tasks_and_the_default()
    {
        var own = new TestTask("own", (_, _) => Task.CompletedTask) { Queue = "special" };
        var other = TestTask.Returning("other");
        await using var host = await JobsHost.StartAsync(own, other);
        await host.EnqueueAsync(new Job(own, Jobs.Wire.JobArguments.None) { Id = "1" });
        await host.EnqueueAsync("other", "2");
        await host.AckedAsync("1");
        await host.AckedAsync("2");
        Assert.Equal("special", host.Published("1")[0].Queue);
    }

    [Fact]
    public async Task Two_hosts_in_one_process_do_not_see_each_other()
    {
        var (first, second) = (TestTask.Returning("same"), TestTask.Returning("same"));
        await using var one = await JobsHost.StartAsync(first);
        await using var two = await JobsHost.StartAsync(second);
        await one.EnqueueAsync("same", "j");
        await one.AckedAsync("j");
        await two.EnqueueAsync("same", "k");
        await two.AckedAsync("k");

        Assert.Equal((1, 1), (first.Runs, second.Runs));
        Assert.Empty(two.Published("j"));
        Assert.NotSame(one.Services.GetRequiredService<IJobDispatcher>(), two.Services.GetRequiredService<IJobDispatcher>());
    }

    sealed class Gauge
    {
        readonly SemaphoreSlim gate = new(0);
        readonly Lock counting = new();

        public int Running { get; private set; }

        public int Highest { get; private set; }

        public int Ended { get; private set; }

        public async Task RunAsync(bool fail)
        {
            lock (counting)
            {
                Highest = Math.Max(Highest, ++Running);
            }

            await gate.WaitAsync();
            lock (counting)
            {
                Running--;
                Ended++;
            }

            if (fail)
            {
                throw new InvalidOperationException();
            }
        }

        public void Release(int jobs) => gate.Release(jobs);
    }
}
