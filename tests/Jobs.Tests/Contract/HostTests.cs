using Jobs.Contracts;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Contract;

/// <summary>What users see of jobs from end to end, in memory.</summary>
public sealed class InMemoryHostTests : HostContract
{
    readonly InMemoryTransport shared = new(TimeProvider.System);

    protected override string DocumentedAs => "In memory";

    protected override void UseTransport(JobsBuilder jobs) => jobs.UseTransport(_ => new FaultyTransport(shared)); // hosts of one test share queues

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await shared.DisposeAsync();
    }
}
