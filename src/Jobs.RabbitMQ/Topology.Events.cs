using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>Declares the exchange of events.</summary>
sealed partial class Topology
{
    /// <summary>
    /// Makes sure that the exchange of events exists. An exchange that is there is taken as it is: a Celery application
    /// may have made it, and everybody may look, also a user who may not declare.
    /// </summary>
    /// <exception cref="JobTransportException">The exchange does not exist, and cannot be declared now.</exception>
    public async Task EnsureEventExchangeAsync(Incarnation incarnation, CancellationToken cancellationToken)
    {
        var exchange = parts.Options.EventExchange;
        if (await AreThereAsync(incarnation, [], [exchange], cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        // On a connection of its own: see DeclareAsideAsync.
        var own = await BrokerConnection.OpenAsync(parts, "declare", incarnation.Connection.Endpoint, cancellationToken).ConfigureAwait(false);
        try
        {
            using var life = CancellationTokenSource.CreateLinkedTokenSource(own.Dead, cancellationToken);
            await OnChannelAsync(
                own,
                channel => channel.ExchangeDeclareAsync(
                    exchange, ExchangeType.Topic, durable: true, autoDelete: false, arguments: null, passive: false, noWait: false, life.Token),
                life.Token).WaitAsync(life.Token).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.PreconditionFailed)
        {
            // Somebody else has made it at the same moment, in another way.
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.AccessRefused)
        {
            throw new JobTransportException(
                $"The user may not declare exchange '{exchange}': {e.ShutdownReason.ReplyText}. Grant 'configure', let an administrator declare it (topic, "
                + "durable), or set Jobs:Events to Off",
                inner: e);
        }
        catch (Exception e) when (e is not JobTransportException && own.Dead.IsCancellationRequested)
        {
            throw new JobTransportException($"Exchange '{exchange}' could not be declared: {own.Reason}", isTransient: true, e);
        }
        finally
        {
            _ = own.DisposeAsync().AsTask();
        }
    }
}
