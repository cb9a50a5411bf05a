using Jobs.BrokerTests.Rabbit;
using Jobs.RabbitMQ;
using Jobs.Transport;
using Microsoft.Extensions.Time.Testing;

namespace Jobs.BrokerTests.Unit;

/// <summary>A ledger, and somebody who writes and answers as a session and a broker would.</summary>
sealed class Book(int size, DeclareMode declare = DeclareMode.Declare)
{
    static readonly TimeSpan aSweep = TimeSpan.FromMilliseconds(250);

    readonly FakeTimeProvider time = new();
    PublishLedger? ledger;

    /// <summary>Gives a channel up when nothing is confirmed for 15 seconds.</summary>
    public PublishLedger Ledger => ledger ??= new(size, TimeSpan.FromSeconds(30), declare, new("t", "t.dead", []), time);

    public int Channel { get; private set; }

    /// <summary>The sequence number of the last publish on the channel.</summary>
    public ulong Written { get; private set; }

    /// <summary>Replies that nobody took.</summary>
    public List<DroppedReply> Dropped { get; } = [];

    public Call Add(string id, string queue = "work", OutgoingKind kind = OutgoingKind.Work, TimeSpan? timeout = null) =>
        new(Put(id, queue, kind, timeout).Task);

    public Call AddCancellable(string id, CancellationTokenSource cancel)
    {
        var publish = Put(id, "work", OutgoingKind.Work, null);
        publish.CancelWith(cancel.Token);
        return new(publish.Task);
    }

    public int Begin()
    {
        Written = 0;
        return Channel = Ledger.Begin();
    }

    public int End(string? refusal = null)
    {
        var (unknown, dropped) = Ledger.End(Channel, refusal);
        Dropped.AddRange(dropped);
        return unknown;
    }

    /// <returns>The ids of what was written.</returns>
    public List<string> Write(int limit = int.MaxValue)
    {
        var written = new List<string>();
        while (written.Count < limit && Ledger.Next() is { } next)
        {
            Assert.True(Ledger.TryWrite(next));
            written.Add(next.Message.CorrelationId!);
            Written++;
        }

        return written;
    }

    public void Confirm(ulong tag, bool multiple = false) => Dropped.AddRange(Ledger.Confirmed(Channel, tag, multiple, []));

    /// <summary>Time goes by, with the sweeps of that time.</summary>
    /// <returns>Why the channel is stuck, in the words of the first sweep that found it so.</returns>
    public string? Pass(TimeSpan passing)
    {
        string? stuck = null;
        for (var passed = TimeSpan.Zero; passed < passing; passed += aSweep)
        {
            time.Advance(aSweep);
            var found = Sweep();
            stuck ??= found;
        }

        return stuck;
    }

    /// <summary>The process is stopped: time goes by without sweeps, but for one at the end.</summary>
    public string? Sleep(TimeSpan passing)
    {
        time.Advance(passing);
        return Sweep();
    }

    PendingPublish Put(string id, string queue, OutgoingKind kind, TimeSpan? timeout) =>
        Ledger.Add(new(queue, Bench.Message(id), Kind: kind), 0, timeout ?? Timeout.InfiniteTimeSpan)!;

    string? Sweep()
    {
        var (dropped, stuck) = Ledger.Sweep(null);
        Dropped.AddRange(dropped);
        Assert.Equal(stuck is null ? null : Channel, stuck?.Channel);
        return stuck?.Reason;
    }
}

/// <summary>Somebody who waits for a publish.</summary>
sealed class Call(ValueTask publishing)
{
    bool taken;

    /// <summary>Once the caller has taken the answer the publish is used again, for another one.</summary>
    public bool IsConfirmed
    {
        get
        {
            if (!taken && publishing.IsCompletedSuccessfully)
            {
                taken = true;
                publishing.GetAwaiter().GetResult();
            }

            return taken;
        }
    }

    public bool IsAnswered => IsConfirmed || publishing.IsCompleted;

    public Task Answer()
    {
        Assert.True(publishing.IsCompleted, "The publish has no answer.");
        return publishing.AsTask();
    }
}
