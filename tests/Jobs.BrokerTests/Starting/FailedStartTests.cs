using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Starting;

/// <summary>A service that starts after the worker throws: nobody stops the worker, the host is only disposed.</summary>
public sealed class FailedStartTests(BrokerFixture brokers) : IAsyncDisposable
{
    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task The_host_leaves_no_connection_behind()
    {
        var host = bench.Host(task: new ProbeTask(), more: jobs => jobs.Services.AddSingleton<IHostedService>(new Broken()));
        await Assert.ThrowsAsync<NotSupportedException>(() => host.StartAsync(TestContext.Current.CancellationToken));
        await BecomesAsync(2, "the worker's connections to be seen, to consume and for the history"); // or the wait below would prove nothing

        await ((IAsyncDisposable)host).DisposeAsync();

        await BecomesAsync(0, "no connection to be left");
    }

    Task BecomesAsync(int connections, string what) => Eventually.BecomesAsync(
        async () => (await brokers.Broker.ManagementAsync("api/connections")).EnumerateArray().Count(IsOurs) == connections,
        TimeSpan.FromSeconds(30),
        what);

    bool IsOurs(System.Text.Json.JsonElement connection) =>
        connection.TryGetProperty("user_provided_name", out var name) && name.GetString()!.StartsWith(bench.Prefix, StringComparison.Ordinal);

    sealed class Broken : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
