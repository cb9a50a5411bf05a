using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Jobs.RabbitMQ;

/// <summary>The parts that every class that talks to the broker needs.</summary>
/// <param name="Options">Time-outs, sizes and the declare mode.</param>
/// <param name="Address">Where to connect.</param>
/// <param name="Layout">The names of our queues and exchanges at the broker.</param>
/// <param name="Time">The clock.</param>
/// <param name="Logger">Gets one line per change of state.</param>
/// <param name="Telemetry">Counts for the metrics.</param>
sealed record BrokerParts(RabbitMqOptions Options, BrokerAddress Address, QueueLayout Layout, TimeProvider Time, ILogger Logger, Telemetry Telemetry)
{
    /// <summary>
    /// The policies of the queues that Celery applications declare too; <see langword="null"/> when there are none.
    /// </summary>
    public CeleryPolicies? Policies { get; init; }

    /// <summary>
    /// Shuffles hosts and varies pauses: when a node dies, its clients must not all reach the next node at the same
    /// moment.
    /// </summary>
    public Random Random { get; init; } = Random.Shared;
}
