namespace Jobs.Faults.Faults;

/// <summary>What an operator does to a client: connection.close with 320, CONNECTION_FORCED.</summary>
sealed class DeleteConnections(FaultDurations durations) : HeldFault(durations, 0, 0)
{
    public override string Name => "delete-connections";

    public override string Description => "Ends some or all connections through the management API";

    public override FaultKind Kind => FaultKind.Clients;

    public override bool CanBeDoneTo(Sites.Site site) => site.Management is not null;

    protected override async Task<Breakage?> PlanAsync(FaultContext context)
    {
        var management = context.Site.Management!;
        Sites.ClientConnection[] connections;
        try
        {
            connections = [.. await management.ConnectionsAsync()];
        }
        catch (InvalidOperationException)
        {
            return null; // no node answers
        }

        if (connections.Length == 0)
            return null;
        context.Random.Shuffle(connections);
        var count = context.Random.Next(1, connections.Length + 1);
        return new Breakage(
            $"delete {count} of {connections.Length} connections",
            async () =>
            {
                foreach (var connection in connections[..count])
                {
                    try
                    {
                        await management.DeleteConnectionAsync(connection.Name);
                    }
                    catch (InvalidOperationException)
                    {
                        // Its node has gone meanwhile, and the connection with it.
                    }
                }
            },
            () => Task.CompletedTask,
            "new connections work");
    }
}
