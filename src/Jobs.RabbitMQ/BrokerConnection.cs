using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>
/// Keeps one connection alive: connects, runs a session until the connection is over, pauses, and begins again.
/// </summary>
/// <remarks>
/// The client's own recovery is off: it can hang for ever, has no back-off, and does not cover the first connect
/// (rabbitmq.md §2.7).
/// </remarks>
sealed class BrokerConnection : IAsyncDisposable
{
    // After a connection that lived this long, the back-off begins again at its shortest.
    static readonly TimeSpan healthy = TimeSpan.FromSeconds(30);

    // A connection that was ready for work but was cut sooner has shown that the broker is there. So its back-off
    // counts no more failures than these, which keeps the wait shorter than for a broker that was never reached.
    const int MostFailuresOfAReadyOne = 3;

    readonly string purpose;
    readonly BrokerParts parts;
    readonly BrokerAddress address;
    readonly TimeProvider time;
    readonly ILogger logger;
    readonly Telemetry telemetry;
    readonly Func<Incarnation, CancellationToken, Task> session;
    readonly Action<JobTransportException>? refused;
    readonly CancellationTokenSource stopping = new();
    readonly TaskCompletionSource<Exception?> firstAttempt = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Queue<AmqpTcpEndpoint> untried = new();
    Task running = Task.CompletedTask;
    Incarnation? current;
    long upSince;
    long downSince;
    bool ready;
    bool everReady;

    /// <param name="purpose">
    /// <c>publish</c>, <c>consume</c> and so on: for logs, metrics and the broker's management page.
    /// </param>
    /// <param name="parts">The options, the address, the clock and so on.</param>
    /// <param name="session">Runs on each incarnation; when the session ends, the incarnation ends.</param>
    /// <param name="refused">
    /// Is called when the broker refuses for good, for example because of a wrong password.
    /// </param>
    public BrokerConnection(
        string purpose, BrokerParts parts, Func<Incarnation, CancellationToken, Task> session, Action<JobTransportException>? refused = null)
    {
        (this.purpose, this.parts, this.session, this.refused) = (purpose, parts, session, refused);
        (address, time, logger, telemetry) = (parts.Address, parts.Time, parts.Logger, parts.Telemetry);
        downSince = time.GetTimestamp();
    }

    /// <summary>
    /// Ends when a session is ready, when the broker refuses for good, or when every host was tried once. The result is
    /// <see langword="null"/> when a session is ready, and otherwise the last problem.
    /// </summary>
    public Task<Exception?> FirstAttempt => firstAttempt.Task;

    /// <summary>
    /// The last problem; <see langword="null"/> before the first one, and from the moment when a session is ready.
    /// </summary>
    public Exception? LastFailure { get; private set; }

    public string Purpose => purpose;

    /// <summary>
    /// Whether there is a connection; with <paramref name="forWork"/>, whether its session is ready too.
    /// </summary>
    public ConnectionHealth Health(bool forWork)
    {
        var up = Volatile.Read(ref current) is { Dead.IsCancellationRequested: false } && (Volatile.Read(ref ready) || !forWork);
        return new(up, time.GetElapsedTime(up ? Volatile.Read(ref upSince) : Volatile.Read(ref downSince)), up ? null : LastFailure?.Message);
    }

    public void Start()
    {
        // The first enqueue of a process calls this. Without the suppression, the activity, logging scopes and job
        // context of that enqueue would flow into everything that the connection does later.
        using (ExecutionContext.SuppressFlow())
        {
            running = Task.Run(RunAsync);
        }
    }

    /// <summary>The session calls this when it is ready for work.</summary>
    public void SessionReady()
    {
        Volatile.Write(ref ready, true);
        var endpoint = current!.Connection.Endpoint;
        if (LastFailure is null)
        {
            Log.Connected(logger, purpose, endpoint.HostName, endpoint.Port);
        }
        else
        {
            Log.Recovered(logger, purpose, endpoint.HostName, endpoint.Port);
        }

        if (everReady)
        {
            telemetry.Reconnected(RabbitMqTransport.SystemName, purpose);
        }

        (everReady, LastFailure) = (true, null);
        firstAttempt.TrySetResult(null);
    }

    async Task RunAsync()
    {
        var failures = 0;
        while (!stopping.IsCancellationRequested)
        {
            var started = time.GetTimestamp();
            Incarnation? incarnation = null;
            try
            {
                incarnation = await ConnectAsync(stopping.Token).ConfigureAwait(false);
                Volatile.Write(ref upSince, time.GetTimestamp());
                Volatile.Write(ref current, incarnation);
                await session(incarnation, stopping.Token).ConfigureAwait(false);
                throw new JobTransportException(
                    $"the connection to {incarnation.Connection.Endpoint.HostName}:{incarnation.Connection.Endpoint.Port} ended: "
                    + (incarnation.Reason ?? "no reason given"),
                    isTransient: true);
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                var problem = Classify(e, incarnation);
                failures = !ready ? failures + 1 : time.GetElapsedTime(started) > healthy ? 1 : Math.Min(failures + 1, MostFailuresOfAReadyOne);
                var refusal = problem is JobTransportException { IsTransient: false };
                if (LastFailure is null || (refusal && LastFailure is JobTransportException { IsTransient: true }))
                {
                    Log.Disconnected(logger, purpose, problem.Message.TrimEnd('.'));
                }

                LastFailure = problem;
                if (ready)
                {
                    Volatile.Write(ref downSince, time.GetTimestamp()); // only here: the failed attempts that follow must not reset the time
                    Volatile.Write(ref ready, false);
                }

                if (refusal || untried.Count == 0)
                {
                    // Only when every host was tried: after a dead host may come a host that refuses.
                    firstAttempt.TrySetResult(problem);
                }

                if (problem is JobTransportException { IsTransient: false } final)
                {
                    refused?.Invoke(final);
                }
            }
            finally
            {
                Volatile.Write(ref current, null);
                if (incarnation is not null)
                {
                    _ = incarnation.DisposeAsync().AsTask(); // in the background: a silent peer must not delay the next attempt
                }
            }

            await Task.Delay(ReconnectBackOff.After(failures, parts.Random), time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task<Incarnation> ConnectAsync(CancellationToken stop)
    {
        if (untried.Count == 0)
        {
            foreach (var found in await address.ResolveAsync(parts.Random, stop).ConfigureAwait(false))
            {
                untried.Enqueue(found);
            }
        }

        // One endpoint per attempt: with several, the client tries the next endpoint only when TCP fails, and not when
        // the handshake fails.
        return await OpenAsync(parts, purpose, untried.Dequeue(), stop).ConfigureAwait(false);
    }

    /// <summary>Opens one connection. Nobody opens it again when it is lost.</summary>
    public static async Task<Incarnation> OpenAsync(BrokerParts parts, string purpose, AmqpTcpEndpoint endpoint, CancellationToken stop)
    {
        var options = parts.Options;
        using var patience = new CancellationTokenSource(options.ConnectTimeout, parts.Time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stop, patience.Token);
        var inbound = new InboundFrames();
        var name = $"{options.ClientName ?? Environment.MachineName} {purpose}";
        var opening = Factory(parts, endpoint, inbound).CreateConnectionAsync([endpoint], name, deadline.Token);
        IConnection connection;
        try
        {
            connection = await opening.WaitAsync(deadline.Token).ConfigureAwait(false); // the client's own cancellation may take 5 s more (#1921)
        }
        catch (OperationCanceledException e) when (!stop.IsCancellationRequested)
        {
            _ = opening.ContinueWith(late => late.IsCompletedSuccessfully ? late.Result.AbortAsync() : Task.CompletedTask, TaskScheduler.Default);
            throw new JobTransportException($"{endpoint.HostName}:{endpoint.Port} did not answer within {options.ConnectTimeout}", isTransient: true, e);
        }

        var incarnation = new Incarnation(connection, inbound);
        try
        {
            // The client may return a connection before the broker has looked at the virtual host (#1999). A channel
            // opens only after that look.
            using var life = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, incarnation.Dead);
            await incarnation.OnChannelAsync(_ => Task.FromResult(true), life.Token).ConfigureAwait(false);
            return incarnation;
        }
        catch (Exception e)
        {
            _ = incarnation.DisposeAsync().AsTask();

            // Our token may have fired before the client could say why the broker closed the connection.
            throw incarnation.Shutdown is { Initiator: ShutdownInitiator.Peer } refusal ? new OperationInterruptedException(refusal) : e;
        }
    }

    static ConnectionFactory Factory(BrokerParts parts, AmqpTcpEndpoint endpoint, InboundFrames inbound) => new()
    {
        UserName = parts.Address.UserName,
        Password = parts.Address.Password,
        VirtualHost = parts.Address.VirtualHost,
        AutomaticRecoveryEnabled = false,
        TopologyRecoveryEnabled = false,
        RequestedHeartbeat = parts.Options.Heartbeat,
        RequestedConnectionTimeout = TimeSpan.FromSeconds(5),
        HandshakeContinuationTimeout = parts.Options.ConnectTimeout,
        ConsumerDispatchConcurrency = 1,

        // A consumer must be able to take every message that the broker takes (128 MiB; 512 MiB at most). The client
        // ends the connection at a larger message than this limit, and the broker then delivers that message again.
        MaxInboundMessageBodySize = 512 * 1024 * 1024,
        SocketFactory = family => BrokerSocket.Create(family, parts.Address.Tls ? endpoint.Ssl.ServerName : null, inbound, parts.Time),
    };

    /// <summary>
    /// A problem that the user must fix is not transient; every other problem is. Reply codes decide, never the text.
    /// </summary>
    Exception Classify(Exception e, Incarnation? incarnation)
    {
        for (var cause = e; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case JobTransportException known:
                    return known;
                case AuthenticationFailureException:
                    return new JobTransportException(
                        $"RabbitMQ at {address} refused the user name or password. Check the credentials in RabbitMqOptions.Uri.", inner: e);
                case OperationInterruptedException { ShutdownReason: { ReplyCode: Constants.NotAllowed or Constants.AccessRefused } reason }:
                    return new JobTransportException(
                        $"RabbitMQ at {address} refused: {reason.ReplyText}. "
                        + $"Check that the virtual host '{address.VirtualHost}' exists and that user '{address.UserName}' has permissions in it.",
                        inner: e);
            }
        }

        return new JobTransportException($"{address}: {incarnation?.Reason ?? e.Message}", isTransient: true, e);
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await running.ConfigureAwait(false);
    }
}
