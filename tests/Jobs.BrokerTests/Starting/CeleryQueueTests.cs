using System.Text.Json;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.RabbitMQ;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Starting;

/// <summary>
/// A queue that Celery applications declare too: its type is its only argument, and a policy keeps its messages. rabbitmq.md §11, Q5: without that policy the
/// broker drops what it should dead-letter, and deleting the policy drops what waits.
/// </summary>
[Trait("Needs", "once")] // the broker takes its time to show a policy
public sealed class CeleryQueueTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(40); // the broker shows a policy after up to 10 s, and one that lacks is waited for 15 s

    readonly Bench bench = new(brokers.Broker);
    readonly List<string> users = [];

    public async ValueTask DisposeAsync()
    {
        await bench.DisposeAsync();
        foreach (var user in users)
        {
            await brokers.Broker.Management.DeleteAsync(new Uri($"api/users/{user}", UriKind.Relative), CancellationToken.None);
        }
    }

    [Fact]
    public async Task The_queue_has_its_type_as_its_only_argument_and_the_policy_has_what_another_queue_has_as_arguments()
    {
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(rabbit: Shared(), task: task));
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job("now"), Cancellation);
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job("later") with { Delay = TimeSpan.FromSeconds(1) }, Cancellation);

        await Eventually.BecomesAsync(() => task.Total == 2, Soon, "both jobs to run");
        var queue = await QueueAsync();
        Assert.Equal("""{"x-queue-type":"quorum"}""", queue.GetProperty("arguments").GetRawText());
        var quarantine = await brokers.Broker.ManagementAsync($"api/queues/%2F/{bench.QuarantineQueue}");
        Assert.Equal(
            quarantine.GetProperty("arguments").EnumerateObject().Where(a => a.Name != "x-queue-type").Select(a => $"{a.Name[2..]} {a.Value}").Order(),
            queue.GetProperty("effective_policy_definition").EnumerateObject().Select(p => $"{p.Name} {p.Value}").Order());
        await DeclareAsync("quorum"); // as Celery does: no 406
        Assert.Equal(1, bench.Logged(403, "no_declare=True"));
    }

    /// <summary>A host that is down, and the host that answers.</summary>
    [Fact]
    public async Task Any_host_of_the_management_address_will_do()
    {
        var alive = brokers.Broker.ManagementUri;
        var host = bench.Host(rabbit: Shared($"http://{alive.UserInfo}@127.0.0.1:1,{alive.Authority}"));

        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), Cancellation).WaitAsync(Soon, Cancellation);

        Assert.Equal(1, bench.Logged(403));
        Assert.Equal(0, bench.Logged(404));
    }

    /// <summary>Without a policy that is there first, the broker would drop what the queue rejects before the policy comes.</summary>
    [Fact]
    public async Task The_policy_is_there_before_the_queue()
    {
        var user = await UserAsync("policymaker", configure: @"\.dead|\.quarantine\.");

        await Assert.ThrowsAsync<JobTransportException>(() => bench.SubscribeAsync(bench.Host(Uri(user), Shared(credentials: user))));

        Assert.Equal(1, bench.Logged(403));
        Assert.Equal(-1, await bench.CountAsync(bench.Queue)); // the user may not declare it
    }

    [Fact]
    public async Task What_the_queue_rejects_is_a_dead_letter()
    {
        const int Count = 20;
        await using var subscription = await bench.SubscribeAsync(bench.Host(rabbit: Shared()));
        await Eventually.BecomesAsync(() => bench.Logged(440) == 1, Soon, "the queue to be consumed: its policy is in effect then");
        await subscription.DisposeAsync();

        await using var channel = await bench.ChannelAsync();
        for (var i = 0; i < Count; i++)
        {
            await channel.BasicPublishAsync("", bench.Queue, mandatory: true, new BasicProperties { CorrelationId = $"{i}", Persistent = true }, new byte[] { 1 }, Cancellation);
        }

        for (var i = 0; i < Count; i++)
        {
            var got = await channel.BasicGetAsync(bench.Queue, autoAck: false, Cancellation);
            await channel.BasicRejectAsync(got!.DeliveryTag, requeue: false, Cancellation);
        }

        await bench.HoldsAsync(bench.DeadQueue, Count);
        Assert.All((await bench.DrainAsync(bench.DeadQueue)).Select(letter => Bench.Header(letter, "x-first-death-reason")), reason => Assert.Equal("rejected", reason));
    }

    /// <summary>As in any queue: the quarantine is ours, with all its arguments.</summary>
    [Fact]
    public async Task A_job_that_came_back_too_often_goes_to_quarantine_and_is_a_dead_letter_when_it_fails_there()
    {
        await Bench.Jobs(bench.Host(rabbit: Shared())).EnqueueAsync(ProbeTask.Job() with { Id = "poison" }, Cancellation);
        await using (var channel = await bench.ChannelAsync())
        {
            for (var i = 0; i < 3; i++)
            {
                var got = await channel.BasicGetAsync(bench.Queue, autoAck: false, Cancellation);
                await channel.BasicNackAsync(got!.DeliveryTag, multiple: false, requeue: true, Cancellation);
            }
        }

        var task = new ProbeTask((_, _) => throw new InvalidOperationException("as it must"));
        await bench.StartedAsync(bench.Host(rabbit: Shared(), jobs: o => o.MaxRetries = 0, task: task, worker: o => o.MaxDeliveries = 4));

        await bench.HoldsAsync(bench.DeadQueue, 1, seconds: 40);
        Assert.Equal(1, bench.Logged(442, "poison"));
        Assert.Equal(["poison"], (await bench.DrainIdsAsync(bench.DeadQueue)).Keys);
    }

    [Theory]
    [InlineData("management")]
    [InlineData("")]
    public async Task Without_the_right_to_make_the_policy_the_start_fails_with_the_line_that_makes_it(string tag)
    {
        var user = await UserAsync(tag);
        var task = new ProbeTask();

        var exception = await Assert.ThrowsAsync<JobTransportException>(() => bench.StartedAsync(bench.Host(Uri(user), Shared(credentials: user), task: task)));

        Assert.False(exception.IsTransient);
        if (tag == "")
        {
            Assert.Contains("give the user the tag management", exception.Message, StringComparison.Ordinal);
            return;
        }

        Assert.Contains("no policy is in effect", exception.Message, StringComparison.Ordinal);
        await RunAsync(exception.Message);
        await ShowsAsync(policy: true);
        await bench.StartedAsync(bench.Host(Uri(user), Shared(credentials: user), task: task));
        await PublishAsync();
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the job to run");
    }

    /// <summary>Whoever enqueues first, declares: no job may lie in a queue that cannot keep it.</summary>
    [Fact]
    public async Task Without_the_right_to_make_the_policy_an_enqueue_fails_with_the_line_that_makes_it()
    {
        var user = await UserAsync("management");
        var dispatcher = Bench.Jobs(bench.Host(Uri(user), Shared(credentials: user)));

        var exception = await Assert.ThrowsAsync<JobPublishException>(() => dispatcher.EnqueueAsync(ProbeTask.Job(), Cancellation).WaitAsync(Soon, Cancellation));

        Assert.Equal((false, false), (exception.IsTransient, exception.MaybeEnqueued));
        await RunAsync(exception.Message);
        await ShowsAsync(policy: true);
        await dispatcher.EnqueueAsync(ProbeTask.Job(), Cancellation).WaitAsync(Soon, Cancellation);
    }

    [Fact]
    public async Task A_worker_that_may_not_make_the_policy_does_not_consume_until_a_deleted_one_is_back()
    {
        var user = await UserAsync("management");
        var proxy = bench.Proxy();
        await PutPolicyAsync(Policy.Name, Policy.Body(null));
        var task = new ProbeTask();
        await bench.StartedAsync(bench.Host(proxy.Through(new(Uri(user))).ToString(), Shared(credentials: user), task: task));
        await Eventually.BecomesAsync(() => bench.Logged(440) == 1, Soon, "the queue to be consumed");

        await DeletePolicyAsync(Policy.Name);
        await ShowsAsync(policy: false);
        proxy.ResetAll();
        await Eventually.BecomesAsync(() => bench.Logged(447, Policy.Command("/")) == 1, Soon, "the refusal to be logged");
        await PublishAsync();
        Assert.Equal((1, 0), (await bench.CountAsync(bench.Queue), task.Total)); // nobody holds it: it is ready

        await PutPolicyAsync(Policy.Name, Policy.Body(null));
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the job to run");
    }

    [Fact]
    public async Task A_deleted_policy_is_made_again_at_the_start_of_a_worker_who_may_and_other_keys_of_it_are_kept()
    {
        await Bench.Jobs(bench.Host(rabbit: Shared())).EnqueueAsync(ProbeTask.Job(), Cancellation);
        await DeletePolicyAsync(Policy.Name);
        await PutPolicyAsync(Policy.Name, """{"pattern":"^other$","definition":{"overflow":"drop-head","queue-leader-locator":"balanced"},"priority":1,"apply-to":"queues"}"""u8.ToArray());
        var task = new ProbeTask();

        await bench.StartedAsync(bench.Host(rabbit: Shared(), task: task));

        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the job to run");
        Assert.Equal(2, bench.Logged(403));
        var definition = (await QueueAsync()).GetProperty("effective_policy_definition");
        Assert.Equal(("reject-publish", "balanced"), (definition.GetProperty("overflow").GetString(), definition.GetProperty("queue-leader-locator").GetString()));
    }

    [Fact]
    public async Task A_stray_policy_that_wins_keeps_the_worker_from_consuming_until_it_is_gone_and_other_queues_go_on()
    {
        var (stray, other) = ($"{bench.Prefix}.stray", $"{bench.Prefix}.other");
        await PutPolicyAsync(stray, JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object>
        {
            ["pattern"] = Policy.Pattern, ["definition"] = new Dictionary<string, object> { ["overflow"] = "drop-head" }, ["priority"] = QueuePolicy.Priority + 1, ["apply-to"] = "queues",
        }));
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(rabbit: Shared(), task: task, worker: o => o.Queues = [bench.Queue, other]));
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job("shared"), Cancellation);
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job("other") with { Queue = other }, Cancellation);

        await Eventually.BecomesAsync(() => bench.Logged(447, stray) == 1, Soon, "the stray policy to be named");
        Assert.Equal("other", Assert.Single(task.Arguments).Text);
        Assert.Equal(1, await bench.CountAsync(bench.Queue));
        await DeletePolicyAsync(stray);
        await Eventually.BecomesAsync(() => task.Total == 2, Soon, "the job to run");
    }

    [Fact]
    public async Task A_management_api_that_is_down_holds_up_only_the_worker_that_has_not_seen_the_policy()
    {
        const string Nowhere = "http://127.0.0.1:1";
        var other = $"{bench.Prefix}.other";
        await Bench.Jobs(bench.Host(rabbit: Shared())).EnqueueAsync(ProbeTask.Job(), Cancellation); // declares the queue
        var task = new ProbeTask();

        var host = await bench.StartedAsync(bench.Host(rabbit: Shared(Nowhere), task: task, worker: o => o.Queues = [bench.Queue, other]));
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), Cancellation).WaitAsync(Soon, Cancellation);
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job("other") with { Queue = other }, Cancellation);

        await Eventually.BecomesAsync(() => bench.Logged(447, "127.0.0.1:1") == 1, Soon, "the refusal to be logged");
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the other job to run");
        Assert.Equal("other", Assert.Single(task.Arguments).Text);
        Assert.Equal((1, 0), (bench.Logged(404), bench.Logged(401))); // the connection of the other queue was not given up
        Assert.Equal(2, await bench.CountAsync(bench.Queue));
    }

    [Fact]
    public async Task A_worker_on_a_classic_queue_of_celery_does_not_start_and_shows_the_line_of_python_and_an_enqueue_takes_it_with_one_warning()
    {
        await DeclareAsync("classic");
        var python = $"Queue('{bench.Queue}', no_declare=True)";

        var exception = await Assert.ThrowsAsync<JobTransportException>(() => bench.StartedAsync(bench.Host(rabbit: Shared(), task: new ProbeTask())));
        var dispatcher = Bench.Jobs(bench.Host(rabbit: Shared()));
        await dispatcher.EnqueueAsync(ProbeTask.Job(), Cancellation);
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Delay = TimeSpan.FromSeconds(1) }, Cancellation);

        await bench.HoldsAsync(bench.Queue, 2);
        Assert.Contains(python, exception.Message, StringComparison.Ordinal);
        Assert.Equal((1, 1), (bench.Logged(425), bench.Logged(425, python)));
    }

    /// <summary>PCRE, a shell and a URI each have their own special characters.</summary>
    [Fact]
    public async Task A_name_full_of_special_characters_has_a_policy_that_matches_it_and_no_other_and_a_line_that_a_shell_reads()
    {
        var name = $"{bench.Prefix}.(n+w)/x y";
        var user = await UserAsync("management");
        var exception = await Assert.ThrowsAsync<JobTransportException>(
            () => bench.SubscribeAsync(bench.Host(Uri(user), rabbit => (rabbit.CeleryQueues, rabbit.ManagementUri) = ([name], Management(user))), queues: name));
        await RunAsync(exception.Message);

        var queue = $"api/queues/%2F/{System.Uri.EscapeDataString(name)}";
        await Eventually.BecomesAsync(async () => Definition(await brokers.Broker.ManagementAsync(queue)) is { } shown && !Policy.Lacks(shown).Any(), Soon, "the policy to match");
        Assert.DoesNotMatch(new QueuePolicy("", "a.b", new Dictionary<string, object?>()).Pattern, "axb");
        Assert.DoesNotMatch(Policy.Pattern, $"{bench.Queue}s");
    }

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    QueuePolicy Policy => new QueueLayout(bench.Prefix, bench.DeadQueue, [bench.Queue]).Policy(bench.Queue);

    string Management(string user) => $"http://{user}:secret@{brokers.Broker.ManagementUri.Authority}";

    string Uri(string user) => new UriBuilder(brokers.Broker.AmqpUri) { UserName = user, Password = "secret" }.Uri.ToString();

    Action<RabbitMqOptions> Shared(string? management = null, string? credentials = null) => rabbit => (rabbit.CeleryQueues, rabbit.ManagementUri) =
        ([bench.Queue], management ?? (credentials is null ? brokers.Broker.ManagementUri.ToString() : Management(credentials)));

    async Task<string> UserAsync(string tag, string configure = ".*")
    {
        var user = $"{bench.Prefix}-user";
        users.Add(user);
        await PutAsync($"api/users/{user}", JsonSerializer.SerializeToUtf8Bytes(new { password = "secret", tags = tag }));
        await PutAsync($"api/permissions/%2F/{user}", JsonSerializer.SerializeToUtf8Bytes(new { configure, write = ".*", read = ".*" }));
        return user;
    }

    Task PutPolicyAsync(string name, byte[] body) => PutAsync($"api/policies/%2F/{name}", body);

    Task DeletePolicyAsync(string name) => brokers.Broker.Management.DeleteAsync(new Uri($"api/policies/%2F/{name}", UriKind.Relative), Cancellation);

    async Task PutAsync(string path, byte[] body)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new("application/json");
        (await brokers.Broker.Management.PutAsync(new Uri(path, UriKind.Relative), content, Cancellation)).EnsureSuccessStatusCode();
    }

    /// <summary>Runs the line at the end of a message, as an administrator would in a shell.</summary>
    async Task RunAsync(string message)
    {
        var line = message[message.IndexOf("rabbitmqctl set_policy", StringComparison.Ordinal)..];
        var words = await Command.RunAsync("/bin/sh", ["-c", $$"""rabbitmqctl() { for word; do printf '%s\0' "$word"; done; }; {{line}}"""], environment: null, Soon);
        await brokers.Broker.ControlAsync(words.TrimEnd('\0').Split('\0'));
    }

    Task<JsonElement> QueueAsync() => brokers.Broker.ManagementAsync($"api/queues/%2F/{bench.Queue}");

    static JsonElement? Definition(JsonElement queue) => queue.TryGetProperty("effective_policy_definition", out var definition) ? definition : null;

    Task ShowsAsync(bool policy) => Eventually.BecomesAsync(
        async () => Definition(await QueueAsync()) is { } shown && Policy.Lacks(shown).Any() != policy, Soon, $"the broker to show {(policy ? "the" : "no")} policy");

    async Task PublishAsync()
    {
        await using var channel = await bench.ChannelAsync();
        var properties = new BasicProperties { ContentType = "application/json", CorrelationId = "one", Persistent = true, Headers = new Dictionary<string, object?> { ["task"] = "probe.run", ["id"] = "one" } };
        await channel.BasicPublishAsync("", bench.Queue, mandatory: true, properties, """[["text"],{},{}]"""u8.ToArray(), Cancellation);
    }

    async Task DeclareAsync(string type)
    {
        await using var channel = await bench.ChannelAsync();
        await channel.QueueDeclareAsync(bench.Queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = type }, cancellationToken: Cancellation);
    }
}
