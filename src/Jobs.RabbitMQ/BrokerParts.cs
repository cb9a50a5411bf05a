using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Jobs.RabbitMQ;

/// <summary>What everything that speaks to the broker needs.</summary>
/// <param name="Options">Time-outs, sizes and the declare mode.</param>
/// <param name="Address">Where to connect.</param>
/// <param name="Layout">The names of what is ours at the broker.</param>
/// <param name="Time">The clock.</param>
/// <param name="Logger">For one line per change of state.</param>
/// <param name="Telemetry">For the metrics.</param>
sealed record BrokerParts(RabbitMqOptions Options, BrokerAddress Address, QueueLayout Layout, TimeProvider Time, ILogger Logger, Telemetry Telemetry)
{
    /// <summary>Shuffles hosts and stretches pauses, so that the clients of a node that died do not all come to the next at the same moment.</summary>
    public Random Random { get; init; } = Random.Shared;
}
