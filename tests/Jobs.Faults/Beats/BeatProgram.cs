using System.Globalization;
using Jobs.RabbitMQ;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Faults.Beats;

/// <summary>What a beat process does: <c>beat-process URI SCHEDULES</c>. It writes a line for each change of its leadership.</summary>
static class BeatProgram
{
    public const string Command = "beat-process";
    public const string Queue = "beats";

    /// <summary>Short, so that many silent leaders are found out in the time of a run.</summary>
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(2);

    public static async Task RunAsync(string uri, int schedules)
    {
        Say($"PID {Environment.ProcessId}");
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Logging.AddProvider(new LeadershipLog());
        builder.Services.AddJobs(jobs =>
        {
            jobs.UseRabbitMq(uri, options => options.Heartbeat = Heartbeat);
            for (var i = 0; i < schedules; i++)
            {
                jobs.AddSchedule(string.Create(CultureInfo.InvariantCulture, $"s{i:000}"), TimeSpan.FromSeconds(1), BeatJobs.Occurrence() with { Queue = Queue }, MisfirePolicy.All);
            }

            jobs.AddBeat(beat => beat.MisfireCap = 100_000);
        });
        using var host = builder.Build();
        await host.RunAsync();
    }

    /// <summary>The command line of a beat process.</summary>
    public static (string File, string[] Arguments) Start(string uri, int schedules) =>
        OwnProcess.Start(Command, uri, schedules.ToString(CultureInfo.InvariantCulture));

    // One write per line, so that a kill leaves no half of one.
    static void Say(string what) => Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow.Ticks} {what}"));

    sealed class LeadershipLog : ILoggerProvider, ILogger
    {
        const int Connected = 400, ConnectedAgain = 402, Leads = 306, LeadsNoMore = 307;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            switch (eventId.Id)
            {
                case Leads: Say("LEADS"); break;
                case LeadsNoMore: Say("LOST"); break;
                case Connected or ConnectedAgain when Value(state, "Purpose") is "side": Say($"PORT {Value(state, "Port")}"); break;
                default:
                    if (logLevel >= LogLevel.Warning)
                    {
                        Say($"# {eventId.Id} {formatter(state, exception).ReplaceLineEndings(" ")} {exception?.Message.ReplaceLineEndings(" ")}");
                    }

                    break;
            }
        }

        static object? Value(object? state, string name) =>
            state is IReadOnlyList<KeyValuePair<string, object?>> values ? values.FirstOrDefault(value => value.Key == name).Value : null;

        public void Dispose()
        {
        }
    }
}

/// <summary>The job of every occurrence: it notes that it ran.</summary>
public sealed class BeatTasks(OccurrenceBook book)
{
    /// <summary>One occurrence of one schedule.</summary>
    [Task("beat.occurrence")]
    public void Occurrence(JobContext context) => book.Ran(context.Id);
}
