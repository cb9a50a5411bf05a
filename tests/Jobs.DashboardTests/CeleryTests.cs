using System.Diagnostics;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.Contracts;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.DashboardTests;

/// <summary>The jobs of a real Celery worker, which sends its events to the exchange that ours use.</summary>
public sealed class CeleryTests(BrokerFixture brokers)
{
    readonly OnRabbitMq own = new(brokers);
    readonly string queue = TestBroker.NewName("celery");

    [Fact]
    public async Task A_python_worker_and_its_jobs_are_on_every_page()
    {
        await using var app = await DashboardApp.StartAsync(new() { Transport = own.Transport, Queue = TestBroker.NewName("dashboard") });
        await app.PageWithAsync("failures", "Nothing has failed."); // the history is there before the first event
        using var celery = StartCelery();
        try
        {
            await app.PageWithAsync("workers", "snake@host");
            var transport = app.Services.GetRequiredService<JobTransport>();
            await Wait.Until(() => transport.HasQueueAsync(queue, TestContext.Current.CancellationToken)); // Celery declares it
            var failed = await SendAsync(app, new("feeds.parse", ["cricket.xml"]));
            var done = await SendAsync(app, new("feeds.add", [2, 3]));

            var workers = await app.PageWithAsync("workers", "jobs taken");
            Assert.Contains("py-celery", workers, StringComparison.Ordinal);
            await app.PageWithAsync($"job?id={failed}", "dead");
            var job = await app.PageWithAsync($"job?id={failed}", "Attempt 2");
            Assert.Contains("ValueError", job, StringComparison.Ordinal);
            Assert.Contains("in parse", job, StringComparison.Ordinal); // the stack
            Assert.Contains("&quot;cricket.xml&quot;", job, StringComparison.Ordinal);
            Assert.Contains("on <bdi>snake@host</bdi>", job, StringComparison.Ordinal);
            Assert.Contains("<code>5</code>", await app.PageWithAsync($"job?id={done}", "Result"), StringComparison.Ordinal);
            var jobs = await app.PageAsync("jobs?worker=snake@host");
            Assert.Contains(failed, jobs, StringComparison.Ordinal);
            Assert.Contains(done, jobs, StringComparison.Ordinal);
            Assert.DoesNotContain(done, await app.PageAsync("jobs?args=cricket&state=dead"), StringComparison.Ordinal);
            var failures = await app.PageWithAsync("failures", "no feed in cricket.xml");
            Assert.Contains("feeds.parse", failures, StringComparison.Ordinal);
            Assert.Contains("<bdi title=\"ValueError\">ValueError</bdi>", failures, StringComparison.Ordinal);
            Assert.Contains("of 1 job", failures, StringComparison.Ordinal);
            await app.PageWithAsync("", "1 tried again");
        }
        finally
        {
            celery.Kill();
            await celery.WaitForExitAsync(CancellationToken.None);
        }
    }

    async Task<string> SendAsync(DashboardApp app, Job job) =>
        (await app.Dispatcher.EnqueueAsync(job with { Queue = queue }, TestContext.Current.CancellationToken)).Id;

    Process StartCelery()
    {
        var uri = brokers.Broker.AmqpUri.ToString();
        var script = $$"""
            from celery import Celery
            from kombu import Exchange, Queue
            app = Celery(broker='{{(uri.EndsWith('/') ? uri + "/" : uri)}}')
            app.conf.event_exchange = '{{own.Events}}'
            app.conf.task_queues = [Queue('{{queue}}', Exchange(''), routing_key='{{queue}}', auto_delete=False)]
            @app.task(name='feeds.add')
            def add(x, y):
                return x + y
            @app.task(name='feeds.parse', bind=True, max_retries=1)
            def parse(self, file):
                try:
                    raise ValueError('no feed in ' + file)
                except ValueError as e:
                    raise self.retry(exc=e, countdown=0)
            app.worker_main(['worker', '-P', 'solo', '-E', '-n', 'snake@host', '--without-mingle', '--without-gossip', '-Q', '{{queue}}'])
            """;
        // The one that apt installs Celery for; another one may come first in the PATH.
        var python = File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
        var start = new ProcessStartInfo(python, ["-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove("NO_COLOR"); // Celery takes true and false only
        var process = Process.Start(start)!;
        var output = TestContext.Current.TestOutputHelper; // shown when the test fails
        process.OutputDataReceived += (_, line) => output?.WriteLine(line.Data ?? "");
        process.ErrorDataReceived += (_, line) => output?.WriteLine(line.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }
}
