using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>Events through a table of the file, for all processes that use it.</summary>
/// <remarks>
/// 1. A message waits in a bounded queue. A work item of the pool takes messages out: whoever sends must not wait
/// for the disk.
/// 2. The work item asks, on the connection that only reads, whether anybody listens. If not, the messages are thrown
/// away: nothing is written, and no other process wakes up.
/// 3. Otherwise one operation of the writer adds them, without a sync. One operation is under way at a time, so that a
/// locked file holds back no more than the queue may have.
/// 4. After the commit, the doorbell wakes the processes of the listeners (<see cref="SqliteListener"/>).
/// </remarks>
sealed class SqliteBroadcast(Func<Engine> open) : JobBroadcast, IThreadPoolWorkItem
{
    const int MostAtOnce = 256; // whoever sends without a pause must not make one operation of everything

    static readonly TimeSpan goodbye = TimeSpan.FromSeconds(1);

    readonly BroadcastQueue queue = new();
    readonly Lock gate = new();
    TaskCompletionSource? idle; // of the one who closes
    bool isRunning;

    public override long Dropped => queue.Dropped;

    public override void Send(BroadcastMessage message)
    {
        queue.Add(message);
        Run();
    }

    public override async Task<BroadcastSubscription> ListenAsync(string pattern, CancellationToken cancellationToken)
    {
        var starting = SqliteListener.StartAsync(open(), pattern);
        try
        {
            return await starting.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _ = EndAsync(starting); // or the file would be written for nobody
            throw;
        }
    }

    /// <summary>Takes no more messages, and waits a moment for those that are on their way.</summary>
    public async Task CloseAsync(TimeProvider time)
    {
        queue.Complete();
        Task sent;
        lock (gate)
        {
            if (!isRunning)
            {
                return;
            }

            sent = (idle ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        await sent.WaitAsync(goodbye, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    void IThreadPoolWorkItem.Execute()
    {
        try
        {
            var engine = open();
            var heard = new List<BroadcastMessage>();
            for (var taken = 0; taken < MostAtOnce && queue.TryTake() is { } message; taken++)
            {
                if (engine.Reader.MayBeHeard(message.Topic))
                {
                    heard.Add(message);
                }
            }

            if (heard.Count > 0 && engine.Writer.Add(new EventOperation(heard, engine.Now, Again, queue.Drop)))
            {
                return;
            }
        }
        catch (Exception)
        {
            while (queue.TryTake() is { } lost)
            {
                queue.Drop(lost); // the transport is closed, or its file cannot be used, which others say
            }
        }

        Again();
    }

    void Run()
    {
        lock (gate)
        {
            if (isRunning)
            {
                return;
            }

            isRunning = true;
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void Again()
    {
        lock (gate)
        {
            if (queue.IsEmpty)
            {
                isRunning = false;
                idle?.TrySetResult();
                return;
            }
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    static async Task EndAsync(Task<BroadcastSubscription> starting)
    {
        try
        {
            await (await starting.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It has not started, or ends with the transport.
        }
    }

    /// <summary>Adds events. Nobody waits for it.</summary>
    sealed class EventOperation(List<BroadcastMessage> messages, long now, Action ended, Action<BroadcastMessage> drop) : WriteOperation
    {
        public override void Execute(Tables tables) => messages.ForEach(message => tables.Events.Add(message, now));

        protected override void Committed() => ended();

        protected override void Failed(Exception why, bool maybe)
        {
            messages.ForEach(drop);
            ended();
        }
    }
}
