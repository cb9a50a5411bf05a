using Jobs.RabbitMQ;
using Jobs.Settings;
using Jobs.Transport;

namespace Jobs;

/// <summary>
/// How to reach the RabbitMQ cluster. Bound to the configuration section <c>Jobs:RabbitMq</c>; values set in code, in
/// <c>UseRabbitMq</c>, win.
/// </summary>
public sealed class RabbitMqOptions : IBoundOptions
{
    const string Local = "amqp://guest:guest@localhost";

    // A timer counts milliseconds in 32 bits.
    static readonly TimeSpan longest = TimeSpan.FromDays(49);

    string? uri;
    bool wasGivenNull;

    /// <summary>
    /// The hosts of the cluster: <c>amqp://user:password@host1,host2:5673,host3/vhost</c>, or <c>amqps://</c> for TLS.
    /// All hosts are tried, in random order. Defaults to <c>amqp://guest:guest@localhost</c>.
    /// </summary>
    public string Uri
    {
        get => uri ?? Local;
        set => uri = value;
    }

    /// <summary>The virtual host, when the URI names none. Defaults to <c>/</c>.</summary>
    public string? VirtualHost { get; set; }

    /// <summary>The user, when the URI names none. Defaults to <c>guest</c>.</summary>
    public string? UserName { get; set; }

    /// <summary>
    /// The password, when the URI names none. Keep the password out of files. Defaults to <c>guest</c>.
    /// </summary>
    public string? Password { get; set; }

    /// <summary>With <c>amqps</c>, the name on the server's certificate. Defaults to the host's name.</summary>
    public string? TlsServerName { get; set; }

    /// <summary>
    /// Whether Jobs declares queues or uses the queues that exist. Defaults to <see cref="DeclareMode.Declare"/>.
    /// </summary>
    public DeclareMode Declare { get; set; } = DeclareMode.Declare;

    /// <summary>
    /// The prefix of the exchanges and queues that Jobs needs for itself, except the dead-letter queue. Defaults to
    /// <c>jobs</c>.
    /// </summary>
    public string Prefix { get; set; } = "jobs";

    /// <summary>
    /// The job queues that Celery applications declare too. Such a queue has its type as the only argument, and all
    /// other settings in a policy, which Jobs makes and checks. Needs <see cref="ManagementUri"/>. In configuration:
    /// <c>Jobs:RabbitMq:CeleryQueues:0 = news</c>. Defaults to none.
    /// </summary>
    public IList<string> CeleryQueues { get; set; } = [];

    /// <summary>
    /// The management API of the cluster: <c>http://user:password@host1:15672,host2:15672</c>, or <c>https://</c>. The
    /// hosts are tried one after another. Without credentials in it, those of the broker are used. Needed for
    /// <see cref="CeleryQueues"/>. Defaults to none.
    /// </summary>
    public string? ManagementUri { get; set; }

    /// <summary>
    /// The exchange for events: that of Celery's setting <c>event_exchange</c>. Jobs declares the exchange as Celery
    /// does, when it does not exist. Defaults to <c>celeryev</c>.
    /// </summary>
    public string EventExchange { get; set; } = "celeryev";

    /// <summary>How many published messages may be unconfirmed at once. Defaults to 512.</summary>
    public int PublishWindow { get; set; } = 512;

    /// <summary>
    /// The heartbeat interval. After half of it without a frame, each side sends a heartbeat. A peer that is silent for
    /// 3 to 4 intervals is given up. Defaults to 10 seconds.
    /// </summary>
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one attempt to connect may take, handshake included. Defaults to 10 seconds.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a published message may stay unconfirmed. After this time its connection is given up, and the message
    /// is sent again on another one. When nothing else is confirmed either, half of this time is enough. The time does
    /// not count while the broker blocks. The broker itself repeats some steps after 10 seconds, so a much shorter time
    /// makes duplicates. Defaults to 30 seconds.
    /// </summary>
    public TimeSpan ConfirmTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How often Jobs checks that each consumer exists and makes progress. A consumer that got nothing for four such
    /// intervals is replaced, because the broker may have forgotten it. Defaults to 30 seconds.
    /// </summary>
    public TimeSpan WatchdogInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The name that connections show in the broker's management page. Defaults to the name of the machine.
    /// </summary>
    public string? ClientName { get; set; }

    /// <summary>Takes the URI that code has given.</summary>
    internal void UseUri(string? uri)
    {
        wasGivenNull = uri is null;
        this.uri = uri ?? this.uri;
    }

    IReadOnlyList<string> IBoundOptions.Unbound { get; set; } = [];

    IEnumerable<string> IBoundOptions.Problems()
    {
        if (wasGivenNull && uri is null)
        {
            yield return "Jobs:RabbitMq:Uri: UseRabbitMq was given null, and the configuration has no URI. Is the name of the connection string right? "
                + "Call UseRabbitMq() for a broker on this machine.";
        }

        if (Invalid(() => BrokerAddress.Parse(this)) is { } problem)
        {
            yield return $"Jobs:RabbitMq:Uri: {problem}.";
        }

        const int MaxPrefix = 40;
        if (!QueueName.IsValid(Prefix) || Prefix.Length > MaxPrefix)
        {
            yield return $"Jobs:RabbitMq:Prefix '{Prefix}': {QueueName.Rule}, and a prefix has at most {MaxPrefix}.";
        }

        foreach (var celery in CeleryProblems())
        {
            yield return celery;
        }

        if (!QueueName.IsValid(EventExchange) || EventExchange.StartsWith("amq.", StringComparison.Ordinal))
        {
            yield return $"Jobs:RabbitMq:EventExchange '{EventExchange}': {QueueName.Rule}, and names that begin with 'amq.' are the broker's.";
        }

        if (PublishWindow is < 1 or > 10_000)
        {
            yield return $"Jobs:RabbitMq:PublishWindow {PublishWindow}: must be 1 to 10,000.";
        }

        if (Heartbeat < TimeSpan.FromSeconds(1) || Heartbeat > TimeSpan.FromMinutes(5))
        {
            yield return $"Jobs:RabbitMq:Heartbeat {Heartbeat}: must be 1 second to 5 minutes; without one a silent peer is never noticed.";
        }

        if (ConnectTimeout > longest || WatchdogInterval > longest || ConfirmTimeout > longest)
        {
            yield return $"Jobs:RabbitMq:ConnectTimeout {ConnectTimeout}, WatchdogInterval {WatchdogInterval} and ConfirmTimeout {ConfirmTimeout}: at "
                + $"most {longest.Days} days.";
        }

        if (ConnectTimeout <= TimeSpan.Zero || WatchdogInterval <= TimeSpan.Zero || ConfirmTimeout <= TimeSpan.Zero)
        {
            yield return $"Jobs:RabbitMq:ConnectTimeout {ConnectTimeout}, WatchdogInterval {WatchdogInterval} and ConfirmTimeout {ConfirmTimeout}: "
                + "must be positive.";
        }
    }

    IEnumerable<string> CeleryProblems()
    {
        if (ManagementUri is not null && Invalid(() => ManagementAddress.Parse(ManagementUri)) is { } invalid)
        {
            yield return $"Jobs:RabbitMq:ManagementUri: {invalid}.";
        }

        foreach (var queue in CeleryQueues.Where(queue => !QueueName.IsValid(queue)))
        {
            yield return $"Jobs:RabbitMq:CeleryQueues '{queue}': {QueueName.Rule}.";
        }

        if (CeleryQueues.Count == 0)
        {
            yield break;
        }

        var queues = string.Join(", ", CeleryQueues);
        if (ManagementUri is null)
        {
            yield return $"Jobs:RabbitMq:CeleryQueues {queues}: these queues need a policy, which Jobs makes over the management API. Set ManagementUri, "
                + "for example http://user:password@rabbit1:15672.";
        }

        if (Declare == DeclareMode.Passive)
        {
            yield return $"Jobs:RabbitMq:CeleryQueues {queues}: with Declare = DeclareMode.Passive, Jobs uses all queues as they are and makes no policy. "
                + "Leave one of the two settings out.";
        }
    }

    static string? Invalid(Action parse)
    {
        try
        {
            parse();
            return null;
        }
        catch (FormatException e)
        {
            return e.Message;
        }
    }
}

/// <summary>Whether Jobs declares queues or uses the queues that exist.</summary>
public enum DeclareMode
{
    /// <summary>Declare durable quorum queues. An existing queue with other arguments is an error.</summary>
    Declare,

    /// <summary>
    /// Use the queues that exist – queues of another application, classic queues, queues whose settings come from
    /// policies – and fail when a queue does not exist.
    /// </summary>
    Passive,
}
