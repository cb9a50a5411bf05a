using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Contracts;

/// <summary>What <see cref="JobSchedules.RunNowAsync"/> does, on hosts with a beat.</summary>
public abstract partial class HostContract
{
    const string Yearly = "0 0 1 1 *";

    [Fact]
    public async Task A_schedule_of_another_process_runs_once_when_asked_also_while_it_is_paused()
    {
        var beat = await StartAsync(more: WithBeat);
        var web = Schedules(await StartAsync(worker: false));
        ScheduleInfo? before = null;
        await Wait.Until(async () => (before = await InfoAsync(web)) is { LastOccurrence: not null });
        await web.PauseAsync("coded", Cancellation);

        var first = await web.RunNowAsync("coded", Cancellation).Soon();
        await Wait.Until(() => RunsOf(first) == 1);
        await StopAsync(beat);
        await StartAsync(more: WithBeat);
        var second = await web.RunNowAsync("coded", Cancellation).Soon();
        await Wait.Until(() => RunsOf(second) == 1);
        await web.ResumeAsync("coded", Cancellation);

        Assert.Equal(2, Bench.Runs.Count); // the next beat knows that the first request is done
        Assert.All(Bench.Runs, run => Assert.Equal("of code", run.Argument));
        Assert.Equal((before!.LastOccurrence, before.NextOccurrence, null), await InfoAsync(web) is { } now ? (now.LastOccurrence, now.NextOccurrence, now.LastJobId) : default);
        await Assert.ThrowsAsync<ArgumentException>(() => web.RunNowAsync("codde", Cancellation));
    }

    [Fact]
    public async Task A_run_whose_beat_dies_before_it_records_the_run_is_made_again_with_the_same_id()
    {
        var unrecorded = 0;
        var dying = await StartAsync(more: jobs =>
        {
            WithBeat(jobs);
            var inner = jobs.Services.Last(service => service.ServiceType == typeof(JobTransport)).ImplementationFactory!;
            jobs.UseTransport(services => new FaultyTransport((JobTransport)inner(services))
            {
                JournalFault = () =>
                {
                    Interlocked.Increment(ref unrecorded);
                    return new InvalidOperationException("The beat dies before it records anything.");
                },
            });
        });
        var web = Schedules(await StartAsync(worker: false));
        await Wait.Until(async () => await InfoAsync(web) is not null); // the beat leads

        var id = await web.RunNowAsync("coded", Cancellation).Soon();
        await Wait.Until(() => RunsOf(id) == 1);
        await StopAsync(dying);
        Assert.True(unrecorded > 0);
        await StartAsync(more: WithBeat);

        await Wait.Until(() => RunsOf(id) == 2);
        Assert.Equal(2, Bench.Runs.Count);
    }

    [Fact]
    public async Task A_run_that_is_asked_for_while_no_beat_runs_waits_for_one()
    {
        var web = Schedules(await StartAsync(worker: false));
        await web.SetAsync("live", Yearly, Job.FromJson("contract.note", """["of JSON"]"""), cancellationToken: Cancellation);

        var id = await web.RunNowAsync("live", Cancellation).Soon();
        await StartAsync(more: jobs => jobs.AddBeat());

        await Wait.Until(() => RunsOf(id) == 1);
        Assert.Equal("of JSON", Bench.Runs.Single().Argument);
    }

    static void WithBeat(JobsBuilder jobs) => jobs.AddSchedule("coded", Yearly, ContractJobs.Note("of code")).AddBeat();

    JobSchedules Schedules(IJobDispatcher dispatcher) => Services(dispatcher).GetRequiredService<JobSchedules>();

    static async Task<ScheduleInfo?> InfoAsync(JobSchedules schedules) =>
        (await schedules.ListAsync(Cancellation).Soon()).SingleOrDefault(schedule => schedule.Name == "coded");

    int RunsOf(string id) => Bench.Runs.Count(run => run.Id == id);
}
