namespace Jobs.Faults.Faults;

/// <summary>RST to every client connection, once or a few times.</summary>
sealed class ResetConnections(FaultDurations durations) : HeldFault(durations, 0, 0)
{
    readonly FaultDurations durations = durations;

    public override string Name => "reset-connections";

    public override string Description => "RST to all client connections, one to three times";

    public override FaultKind Kind => FaultKind.Clients;

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        var times = context.Random.Next(1, 4);
        return Task.FromResult<Breakage?>(new(
            $"RST to all {context.Site.Network.OpenConnections} connections, {times} times",
            async () =>
            {
                for (var time = 1; ; time++)
                {
                    context.Site.Network.ResetAll();
                    if (time == times)
                        return;
                    await Task.Delay(durations.Hold(context.Random, 0.1, 3));
                }
            },
            () => Task.CompletedTask,
            "new connections work"));
    }
}

/// <summary>A pulled cable: sockets stay open, and nothing passes in one direction or both.</summary>
sealed class StallNetwork(FaultDurations durations) : HeldFault(durations, 1, 45)
{
    public override string Name => "stall-network";

    public override string Description => "Nothing passes between clients and the load balancer, in one direction or in both, while all sockets stay open";

    public override FaultKind Kind => FaultKind.Clients;

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        var network = context.Site.Network;
        (string What, Action Stall) way = context.Random.Next(3) switch
        {
            0 => ("nothing passes from clients to brokers", network.StallClientToServer),
            1 => ("nothing passes from brokers to clients", network.StallServerToClient),
            _ => ("nothing passes between clients and brokers", network.StallBoth),
        };
        return Task.FromResult<Breakage?>(new(way.What, Done(way.Stall), Done(network.Resume), "all passes again"));

        static Func<Task> Done(Action action) => () =>
        {
            action();
            return Task.CompletedTask;
        };
    }
}

/// <summary>Connections of which only one side knows: ended towards the client, or accepted by nobody.</summary>
sealed class HalfOpen(FaultDurations durations) : HeldFault(durations, 2, 20)
{
    public override string Name => "half-open";

    public override string Description => "FIN from brokers to clients while the other direction goes on; or all connections reset, and new ones accepted by nobody";

    public override FaultKind Kind => FaultKind.Clients;

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        var network = context.Site.Network;
        var silent = context.Random.Next(2) == 0;
        return Task.FromResult<Breakage?>(new(
            silent ? "all connections reset, new ones are accepted and hear nothing" : "FIN to all clients, what they send still arrives",
            () =>
            {
                if (silent)
                {
                    network.AcceptAndStaySilent = true;
                    network.ResetAll();
                }
                else
                {
                    network.HalfClose();
                }

                return Task.CompletedTask;
            },
            () =>
            {
                // The silent ones stay silent: their clients must find that out themselves.
                network.AcceptAndStaySilent = false;
                return Task.CompletedTask;
            },
            "new connections work"));
    }
}

/// <summary>A connection breaks in the middle of a frame, at a byte that chance chooses.</summary>
sealed class CutAfterBytes(FaultDurations durations) : HeldFault(durations, 10, 10)
{
    public override string Name => "cut-after-bytes";

    public override string Description => "RST to the connection that sends a certain byte, up to half a million further on";

    public override FaultKind Kind => FaultKind.Clients;

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        // Small ones as often as large ones: the first frames of a connection are the most delicate.
        var bytes = (long)Math.Pow(10, context.Random.NextDouble() * 5.7);
        var network = context.Site.Network;
        return Task.FromResult<Breakage?>(new(
            $"RST after {bytes} more bytes from clients",
            () =>
            {
                network.CutAfter(bytes);
                return Task.CompletedTask;
            },
            () =>
            {
                network.CancelCut(); // too few bytes came
                return Task.CompletedTask;
            },
            "no connection is cut any more"));
    }
}
