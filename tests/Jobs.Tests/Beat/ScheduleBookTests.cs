using System.Text;
using System.Text.Json;
using Jobs.Beat;
using Jobs.Registry;
using Jobs.Wire;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Jobs.Tests.Beat;

public sealed class ScheduleBookTests
{
    [Fact]
    public void Attributes_give_schedules_named_after_their_task()
    {
        var task = Task("news.refresh", new() { Cron = "0 * * * *" }, new() { Every = TimeSpan.FromMinutes(5), Misfire = MisfirePolicy.All }, new() { Cron = "0 6 * * *", TimeZone = "Asia/Kolkata", Name = "morning" });

        var schedules = Valid([task]);

        Assert.Equal(["news.refresh", "news.refresh-2", "morning"], schedules.Select(s => s.Name));
        Assert.Equal([MisfirePolicy.Once, MisfirePolicy.All, MisfirePolicy.Once], schedules.Select(s => s.Misfire));
        Assert.All(schedules, s => Assert.Same(task, s.Job.Definition));
        Assert.Equal(new DateTimeOffset(1970, 1, 1, 0, 30, 0, TimeSpan.Zero), schedules[2].Timing.Next(DateTimeOffset.UnixEpoch));
    }

    [Fact]
    public void A_configured_schedule_takes_positional_or_keyword_arguments()
    {
        var schedules = Valid([], options: Configured("""
            {
              "one": { "Task": "news.refresh", "Cron": "0 6 * * *", "TimeZone": "Europe/Berlin", "Arguments": "[\"cricket\", {\"n\": 1.50}, null]", "Queue": "news" },
              "two": { "Task": "elsewhere.add", "Every": "00:05:00", "Arguments": "{\"x\": 2}", "Misfire": "Skip" },
              "three": { "Task": "news.refresh", "Every": "1.00:00:00" }
            }
            """)).ToDictionary(s => s.Name);

        Assert.Equal("""["cricket",{"n":1.50},null]|{}""", Body(schedules["one"].Job));
        Assert.Equal("""[]|{"x":2}""", Body(schedules["two"].Job));
        Assert.Equal("[]|{}", Body(schedules["three"].Job));
        Assert.Equal(("news", null), (schedules["one"].Job.Queue, schedules["two"].Job.Queue));
        Assert.Equal(MisfirePolicy.Skip, schedules["two"].Misfire);
        Assert.Equal(new DateTimeOffset(1970, 1, 1, 0, 5, 0, TimeSpan.Zero), schedules["two"].Timing.Next(DateTimeOffset.UnixEpoch));
    }

    [Fact]
    public void A_configured_job_of_a_task_of_this_program_keeps_its_definition()
    {
        var task = Task("news.refresh");

        var schedule = Assert.Single(Valid([task], options: Configured("""{ "n": { "Task": "news.refresh", "Every": "00:05:00", "Arguments": "[1]" } }""")));

        Assert.Same(task, schedule.Job.Definition);
    }

    [Fact]
    public void All_problems_are_reported_at_once()
    {
        var tasks = new[]
        {
            Task("a.cron", new TaskSchedule { Cron = "99 * * * *" }),
            Task("a.zone", new TaskSchedule { Cron = "0 * * * *", TimeZone = "Mars/Olympus" }),
            Task("a.fine", new TaskSchedule { Cron = "0 * * * *", Name = "twice" }, new TaskSchedule { Every = TimeSpan.FromHours(1), Name = "not a name" }),
        };
        var options = Configured("""
            {
              "both": { "Task": "t", "Cron": "0 * * * *", "Every": "00:05:00" },
              "neither": { "Task": "t" },
              "null": null,
              "json": { "Task": "t", "Every": "00:05:00", "Arguments": "[1,", "Queue": "amq.no" },
              "scalar": { "Task": "t", "Every": "00:05:00", "Arguments": "7" },
              "short": { "Task": "no task", "Every": "00:00:00.5", "Arguments": "{\"a\":1,\"a\":2}" },
              "zoned": { "Task": "t", "Every": "00:05:00", "TimeZone": "Europe/Berlin" },
              "misfire": { "Task": "t", "Every": "00:05:00", "Misfire": "7" },
              "twice": { "Task": "t", "Every": "00:05:00" },
              "good": { "Task": "t", "Every": "00:05:00" }
            }
            """);
        Schedule[] code = [new("twice", Timing.Every(TimeSpan.FromHours(1)), new Job("t"), MisfirePolicy.Once)];

        var book = ScheduleBook.Create(new TaskRegistry(tasks), code, options, out var problems);

        string[] expected =
        [
            "on task 'a.cron': '99 * * * *' is not a cron expression",
            "on task 'a.zone': 'Mars/Olympus' is not a time zone",
            "on task 'a.fine': 'not a name' is not a name for a schedule",
            "Two schedules are called 'twice': one on task 'a.fine' and one in code",
            "Two schedules are called 'twice': one on task 'a.fine' and one in Jobs:Beat:Schedules",
            "Jobs:Beat:Schedules:both: give exactly one of Cron and Every",
            "Jobs:Beat:Schedules:neither: give exactly one of Cron and Every",
            "Jobs:Beat:Schedules:null: give exactly one of Cron and Every",
            "Jobs:Beat:Schedules:null: Task is missing",
            "Jobs:Beat:Schedules:json: Arguments '[1,' is not JSON",
            "Jobs:Beat:Schedules:json: Queue 'amq.no'",
            "Jobs:Beat:Schedules:scalar: Arguments '7' is a JSON Number",
            "Jobs:Beat:Schedules:short: 'no task' is not a task name",
            "Jobs:Beat:Schedules:short: 00:00:00.5000000 is too short",
            "Jobs:Beat:Schedules:short: Arguments '{\"a\":1,\"a\":2}' is not JSON",
            "Jobs:Beat:Schedules:zoned: TimeZone 'Europe/Berlin' has no meaning with Every",
            "Jobs:Beat:Schedules:misfire: 7 is not a misfire policy",
        ];
        Assert.All(expected, text => Assert.Single(problems, problem => problem.StartsWith(text, StringComparison.Ordinal)));
        Assert.Equal(expected.Length, problems.Count);
        Assert.Equal(["good", "twice"], book.Schedules.Select(s => s.Name).Order());
    }

    [Fact]
    public void The_longest_name_gives_an_id_that_AMQP_can_carry()
    {
        var name = new string('n', 200);
        var schedule = new Schedule(name, Timing.Every(TimeSpan.FromHours(1)), new Job("t"), MisfirePolicy.Once);

        Assert.InRange(Encoding.UTF8.GetByteCount(schedule.JobAt(DateTimeOffset.UnixEpoch).Id!), 1, 255);
        Assert.Throws<ArgumentException>(() => schedule = new(name + "n", schedule.Timing, schedule.Job, MisfirePolicy.Once));
    }

    static List<Schedule> Valid(TaskDefinition[] tasks, BeatOptions? options = null)
    {
        var book = ScheduleBook.Create(new TaskRegistry(tasks), [], options ?? new(), out var problems);
        Assert.Empty(problems);
        return [.. book.Schedules];
    }

    static BeatOptions Configured(string schedules)
    {
        using var json = new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "Jobs": { "Beat": { "Schedules": {{schedules}} } } }"""));
        var options = new BeatOptions();
        new ConfigurationBuilder().AddJsonStream(json).Build().GetSection("Jobs:Beat").Bind(options);
        return options;
    }

    static string Body(Job job)
    {
        var body = JobBody.Read(JobBody.Write(job.TaskName, job.Arguments, WireTypes.Default));
        return $"{Encoding.UTF8.GetString(body.Arguments.Span)}|{Encoding.UTF8.GetString(body.Keywords.Span)}";
    }

    static StubTask Task(string name, params TaskSchedule[] schedules) => new() { Name = name, Class = typeof(ScheduleBookTests), Schedules = schedules };

    sealed class StubTask : TaskDefinition
    {
        public override ValueTask InvokeAsync(JobContext context, ref ArgumentReader arguments) => default;
    }
}
