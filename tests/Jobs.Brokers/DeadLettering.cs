namespace Jobs.Brokers;

/// <summary>What nodes are told of the broker's own at-least-once dead-lettering, as in docker-compose.yml: it makes delay levels send again what was lost on its way. The operations guide says why.</summary>
public static class DeadLettering
{
    /// <summary>How many messages a delay level has under way at most, all of which it sends again when its leader changes.</summary>
    public const int Prefetch = 256;

    /// <summary>Erlang's terms for them, with commas between: what the server's application <c>rabbit</c> takes.</summary>
    public static readonly string Settings = $"{{dead_letter_worker_publisher_confirm_timeout, 10000}}, {{dead_letter_worker_consumer_prefetch, {Prefetch}}}";
}
