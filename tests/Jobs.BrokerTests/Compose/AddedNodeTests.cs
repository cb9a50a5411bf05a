using System.Text.Json;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Compose;

/// <summary>What the guide tells an operator to do after a node was added or replaced.</summary>
[Collection(nameof(ClusterCollection))]
[Trait("Needs", "cluster")]
public sealed class AddedNodeTests
{
    static readonly TimeSpan patience = TimeSpan.FromSeconds(60);

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_queue_stays_on_the_nodes_it_was_declared_on_until_it_is_told_to_grow()
    {
        await using var cluster = await LocalCluster.StartAsync(running: 1);
        await EnqueueAsync(cluster.AmqpUris[0], ProbeTask.Job());
        await EnqueueAsync(cluster.AmqpUris[0], ProbeTask.Job() with { Delay = TimeSpan.FromHours(1) });

        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2));
        await cluster.AllRunAsync();
        Assert.All(await MembersAsync(), members => Assert.Equal(1, members));

        await cluster.Nodes[0].RunAsync("rabbitmq-queues", "grow", cluster.Nodes[1].Name, "all");
        await cluster.Nodes[0].RunAsync("rabbitmq-queues", "grow", cluster.Nodes[2].Name, "all");
        await Eventually.BecomesAsync(async () => (await MembersAsync()).All(members => members == 3), patience, "every queue to have three members");

        // And they are members that count: without the node that all of it began on, the queue goes on.
        await cluster.KillAsync(0);
        await Eventually.BecomesAsync(async () => await LeadsAsync(1) + await LeadsAsync(2) == (await QueuesAsync(1)).Length, patience, "every queue to have a new leader");
        await EnqueueAsync(cluster.AmqpUris[1], ProbeTask.Job());

        async Task<JsonElement[]> QueuesAsync(int node) =>
            [.. (await cluster.ManagementAsync(node, "api/queues/%2F?columns=name,members,leader")).EnumerateArray()];

        async Task<int> LeadsAsync(int node) => (await QueuesAsync(1)).Count(queue =>
            queue.TryGetProperty("leader", out var leader) && leader.GetString() == cluster.Nodes[node].Name);

        async Task<int[]> MembersAsync()
        {
            int[] members = [];
            await Eventually.BecomesAsync(
                async () =>
                {
                    members = [.. (await QueuesAsync(0)).Select(queue => queue.TryGetProperty("members", out var list) ? list.GetArrayLength() : 0)];
                    return members.All(count => count > 0); // it says nothing of a queue that was declared just now
                },
                patience,
                "all queues to have members");
            Assert.True(members.Length >= 30, $"There are {members.Length} queues; expected one for jobs, one for dead letters and 28 for delays.");
            return members;
        }
    }

    static async Task EnqueueAsync(Uri uri, Job job)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddJobs(jobs => jobs.UseRabbitMq(uri.ToString()));
        using var host = builder.Build();
        await host.StartAsync(Cancellation);
        await host.Services.GetRequiredService<IJobDispatcher>().EnqueueAsync(job, Cancellation);
        await host.StopAsync(Cancellation);
    }
}
