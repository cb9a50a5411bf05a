using System.Diagnostics;

namespace Jobs.RabbitMQ;

/// <summary>
/// Keeps the client library's own spans in the trace of the job. With listeners it makes one for each publish and writes it over the
/// <c>traceparent</c> of the message; without a current activity that would be the root of another trace. (rabbitmq-dotnet-client #1666, #1261)
/// </summary>
static class ClientTrace
{
    // Whoever listens to the client's source listens to any of that name.
    static readonly ActivitySource clients = new("RabbitMQ.Client.Publisher");

    /// <summary>For one publish; ends with it.</summary>
    /// <param name="parent">The trace of the job, or <see langword="null"/> when it has none.</param>
    public static Activity? Within(string? parent) =>
        parent is not null && clients.HasListeners() ? new Activity("publish").SetParentId(parent).Start() : null;
}
