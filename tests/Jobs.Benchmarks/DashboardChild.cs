using System.Diagnostics;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Benchmarks;

/// <summary>
/// A process with a worker, with the dashboard, or with both. It says its address, and for each line that it reads what it
/// has used so far.
/// </summary>
static class DashboardChild
{
    public const string Worker = "worker";
    public const string Web = "web";
    public const string Both = "both";

    /// <summary>How many dashboards the process has. Each asks everything itself, as if no other page had just asked.</summary>
    public const int Dashboards = 100;

    const int AtStart = 20; // so that there is something to see without a rate too

    static readonly byte[] text = Encoding.ASCII.GetBytes(new string('x', 4 << 20));

    public static async Task RunAsync(BenchmarkOptions options)
    {
        using var host = options.Role == Worker ? Background(options) : Site(options);
        await host.StartAsync();
        using var stop = new CancellationTokenSource();
        var enqueueing = options.Role is Web or Both
            ? EnqueueAsync(host.Services.GetRequiredService<IJobDispatcher>(), options.Rate ?? 0, stop.Token)
            : Task.CompletedTask;
        Say($"{(host as WebApplication)?.Urls.First()}");
        while (Console.ReadLine() is not null)
        {
            using var self = Process.GetCurrentProcess();
            Say($"{Environment.CpuUsage.TotalTime.Ticks} {Stopwatch.GetTimestamp()} {self.WorkingSet64} {GC.GetTotalMemory(false)}");
        }

        await stop.CancelAsync();
        await enqueueing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await host.StopAsync();
    }

    static IHost Background(BenchmarkOptions options)
    {
        var builder = Host.CreateApplicationBuilder();
        Configure(builder, options);
        return builder.Build();
    }

    static WebApplication Site(BenchmarkOptions options)
    {
        var builder = WebApplication.CreateBuilder();
        Configure(builder, options);
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        for (var i = 0; i < Dashboards; i++)
        {
            app.MapJobsDashboard($"/jobs{i}").AllowAnonymous();
        }

        // The same answers without a dashboard: what HTTP costs.
        app.MapGet("/text", (int bytes, HttpContext http) =>
        {
            http.Response.ContentType = "text/html; charset=utf-8";
            http.Response.ContentLength = bytes;
            return http.Response.Body.WriteAsync(text.AsMemory(0, bytes), http.RequestAborted).AsTask();
        });
        return app;
    }

    static void Configure(IHostApplicationBuilder builder, BenchmarkOptions options)
    {
        builder.Logging.ClearProviders().AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace); // this program's output is for its parent
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Jobs", LogLevel.Critical).AddFilter("Jobs.Dashboard", LogLevel.Warning); // some jobs fail
        builder.Services.AddJobs(jobs =>
        {
            JobsUnderTest.Configure(jobs, options, worker: options.Role != Web, JobsUnderTest.Prefix);
            if (options.Role != Web)
            {
                jobs.AddBeat().AddSchedule("bench.hourly", "0 * * * *", BenchJobs.Pace(1));
            }
        });
    }

    static async Task EnqueueAsync(IJobDispatcher dispatcher, int rate, CancellationToken stop)
    {
        var number = 0;
        while (number < AtStart)
        {
            await dispatcher.EnqueueAsync(BenchJobs.Pace(number++), stop);
        }

        using var ticks = rate == 0 ? null : new PeriodicTimer(TimeSpan.FromSeconds(1.0 / rate));
        while (ticks is not null && await ticks.WaitForNextTickAsync(stop))
        {
            await dispatcher.EnqueueAsync(BenchJobs.Pace(number++), stop);
        }
    }

    static void Say(FormattableString line)
    {
        Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
        Console.Out.Flush();
    }
}
