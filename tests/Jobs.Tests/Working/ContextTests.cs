using Jobs.Contracts;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>What a job finds around it while it runs.</summary>
public sealed class ContextTests
{
    [Fact]
    public async Task Each_run_has_its_own_scope_and_it_is_closed_before_the_job_is_acked()
    {
        var seen = new List<(Scoped First, Scoped Second)>();
        JobsHost host = null!;
        var ackedAtDispose = true;
        var task = new TestTask("scoped", (context, _) =>
        {
            var scoped = context.Services.GetRequiredService<Scoped>();
            scoped.OnDispose = () => ackedAtDispose &= host.Verbs(context.Id).Any();
            seen.Add((scoped, context.Services.GetRequiredService<Scoped>()));
            return Task.CompletedTask;
        });
        await using var running = host = await JobsHost.StartAsync(jobs => jobs.Services.AddScoped<Scoped>(), task);
        await host.EnqueueAsync("scoped", "a");
        await host.AckedAsync("a");
        await host.EnqueueAsync("scoped", "b");
        await host.AckedAsync("b");

        Assert.Equal(2, seen.Count);
        Assert.All(seen, s => Assert.Same(s.First, s.Second));
        Assert.NotSame(seen[0].First, seen[1].First);
        Assert.All(seen, s => Assert.Equal(1, s.First.Disposals));
        Assert.False(ackedAtDispose);
    }

    [Fact]
    public async Task Services_asked_for_at_the_same_time_come_from_one_scope()
    {
        await using var root = new ServiceCollection().AddScoped<Scoped>().BuildServiceProvider();
        using var scopes = new ScopesMadeTogether(root);
        var context = new JobContext(TestAttempt.Of(TestMessage.Of()), scopes, null!);

        var seen = await Task.WhenAll(
            Task.Run(() => context.Services.GetRequiredService<Scoped>()),
            Task.Run(() => context.Services.GetRequiredService<Scoped>())).Soon();
        await context.DisposeScopeAsync();

        Assert.Same(seen[0], seen[1]);
        Assert.Equal(1, seen[0].Disposals);
    }

    [Fact]
    public async Task The_scope_of_a_failed_job_is_closed_too()
    {
        Scoped? scoped = null;
        var task = new TestTask("fail", (context, _) =>
        {
            scoped = context.Services.GetRequiredService<Scoped>();
            throw new DeadJobException("no");
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.Services.AddScoped<Scoped>(), task);
        await host.EnqueueAsync("fail");
        await host.DeadLetterAsync();
        Assert.Equal(1, scoped!.Disposals);
    }

    [Fact]
    public async Task A_scope_that_fails_to_close_does_not_run_the_job_again()
    {
        var task = new TestTask("scoped", (context, _) =>
        {
            context.Services.GetRequiredService<Scoped>().OnDispose = () => throw new InvalidOperationException("stuck");
            return Task.CompletedTask;
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.Services.AddScoped<Scoped>(), task);
        await host.EnqueueAsync("scoped", "j");
        await host.AckedAsync("j");

        Assert.Equal(1, task.Runs);
        Assert.Single(host.Logs.Lines, l => l.EventId == 205 && l.Exception is InvalidOperationException);
    }

    [Fact]
    public async Task Every_log_line_of_a_job_says_which_job_it_is()
    {
        var task = new TestTask("logs", (context, _) =>
        {
            context.Services.GetRequiredService<Microsoft.Extensions.Logging.ILoggerFactory>().CreateLogger("mine").Log(
                Microsoft.Extensions.Logging.LogLevel.Information, default, "hello", null, (s, _) => s);
            return Task.CompletedTask;
        });
        await using var host = await JobsHost.StartAsync(task);
        await host.SendAsync(TestMessage.Of(id: "j", task: "logs", headers: [("retries", 2)]));
        await host.AckedAsync("j");

        var scope = Assert.Single(host.Logs.Lines, l => l.Category == "mine").Scope;
        Assert.Equal("logs", scope["Task"]);
        Assert.Equal("j", scope["JobId"]);
        Assert.Equal(3, scope["Attempt"]);
        Assert.Equal("jobs", scope["Queue"]);
    }

    [Fact]
    public async Task A_job_knows_itself()
    {
        JobContext? passed = null;
        JobContext? current = null;
        var task = new TestTask("self", async (context, text) =>
        {
            await Task.Yield();
            (passed, current) = (context, JobContext.Current);
        });
        await using var host = await JobsHost.StartAsync(task);
        await host.SendAsync(TestMessage.Of(id: "j", task: "self", headers: [("retries", 1), ("root_id", "r"), ("parent_id", "p"), ("x-mine", "m")]));
        await host.AckedAsync("j");

        Assert.Same(passed, current);
        Assert.Equal(("j", "self", "jobs", 2, "r", "p"), (passed!.Id, passed.TaskName, passed.Queue, passed.Attempt, passed.RootId, passed.ParentId));
        Assert.Equal("m", passed.Headers["x-mine"]);
        Assert.Null(JobContext.Current);
    }

    [Fact]
    public async Task The_context_of_a_job_does_not_leak_into_the_next()
    {
        var leaked = new List<string>();
        var task = new TestTask("one", (context, _) =>
        {
            lock (leaked)
            {
                leaked.AddRange(JobContext.Current!.Id == context.Id ? [] : [context.Id]);
            }

            return Task.CompletedTask;
        });
        await using var host = await JobsHost.StartAsync(task);
        for (var i = 0; i < 50; i++)
        {
            await host.EnqueueAsync("one");
        }

        await Wait.Until(() => host.Transport.Settled.Count == 50);
        Assert.Empty(leaked);
    }

    [Fact]
    public async Task Jobs_enqueued_inside_a_job_carry_its_tree()
    {
        IJobDispatcher dispatcher = null!;
        var leaf = TestTask.Returning("leaf");
        var child = new TestTask("child", (_, _) => dispatcher.EnqueueAsync(new Job("leaf") { Id = "leaf" }));
        var parent = new TestTask("parent", async (_, _) =>
        {
            await Task.Yield();
            await dispatcher.EnqueueAsync(new Job("child") { Id = "child" });
        });
        await using var host = await JobsHost.StartAsync(parent, child, leaf);
        dispatcher = host.Dispatcher;
        await host.EnqueueAsync("parent", "parent");
        await host.AckedAsync("leaf");

        Assert.Null(host.Published("parent")[0].Message.Text(WireHeaders.ParentId));
        Assert.Equal(("parent", "parent"), Tree("child"));
        Assert.Equal(("parent", "child"), Tree("leaf"));

        (string?, string?) Tree(string id)
        {
            var message = host.Published(id)[0].Message;
            return (message.Text(WireHeaders.RootId), message.Text(WireHeaders.ParentId));
        }
    }

    /// <summary>Gives two callers a scope each, at the same moment.</summary>
    sealed class ScopesMadeTogether(IServiceProvider root) : IServiceScopeFactory, IDisposable
    {
        readonly Barrier both = new(2);

        public IServiceScope CreateScope()
        {
            both.SignalAndWait(TimeSpan.FromSeconds(1)); // only one comes where callers are let in one by one
            return root.CreateScope();
        }

        public void Dispose() => both.Dispose();
    }

    sealed class Scoped : IAsyncDisposable
    {
        public int Disposals { get; set; }

        public Action OnDispose { get; set; } = () => { };

        public async ValueTask DisposeAsync()
        {
            await Task.Yield();
            Disposals++;
            OnDispose();
        }
    }
}
