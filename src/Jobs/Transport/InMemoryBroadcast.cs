using System.Collections.Immutable;

namespace Jobs.Transport;

/// <summary>A broadcast inside of this process: the reference implementation of the contract.</summary>
sealed class InMemoryBroadcast : JobBroadcast
{
    ImmutableArray<Subscription> subscriptions = [];

    // A message for nobody is not dropped, and one for a slow listener is counted by that listener.
    public override long Dropped => 0;

    public override void Send(BroadcastMessage message)
    {
        foreach (var subscription in subscriptions)
        {
            subscription.Hear(message);
        }
    }

    public override Task<BroadcastSubscription> ListenAsync(string pattern, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var subscription = new Subscription(this, new(pattern));
        ImmutableInterlocked.Update(ref subscriptions, all => all.Add(subscription));
        return Task.FromResult<BroadcastSubscription>(subscription);
    }

    /// <summary>Ends all subscriptions.</summary>
    public void Close()
    {
        foreach (var subscription in subscriptions)
        {
            subscription.End();
        }
    }

    sealed class Subscription(InMemoryBroadcast broadcast, TopicPattern pattern) : BroadcastSubscription
    {
        readonly BroadcastQueue inbox = new();

        public override long Dropped => inbox.Dropped;

        public override ValueTask<BroadcastMessage?> NextAsync(CancellationToken cancellationToken) => inbox.NextAsync(cancellationToken);

        public void Hear(BroadcastMessage message)
        {
            if (pattern.Matches(message.Topic))
            {
                inbox.Add(message);
            }
        }

        public void End()
        {
            ImmutableInterlocked.Update(ref broadcast.subscriptions, all => all.Remove(this));
            inbox.Complete();
        }

        public override ValueTask DisposeAsync()
        {
            End();
            return ValueTask.CompletedTask;
        }
    }
}
