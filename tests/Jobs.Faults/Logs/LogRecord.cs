using System.Buffers.Binary;

namespace Jobs.Faults.Logs;

/// <summary>What a record of a log says.</summary>
enum Said : byte
{
    /// <summary>A producer is about to enqueue the job.</summary>
    Attempted = 1,

    /// <summary><c>EnqueueAsync</c> returned.</summary>
    Confirmed,

    /// <summary><c>EnqueueAsync</c> threw, and said that the job is not enqueued.</summary>
    NotEnqueued,

    /// <summary><c>EnqueueAsync</c> threw, and said that the job may be enqueued.</summary>
    Unknown,

    /// <summary>The job runs.</summary>
    Started,

    /// <summary>The job has come to its end; written inside it, so before the acknowledgement.</summary>
    Finished,

    /// <summary>The job throws, as it was made to, and will be retried.</summary>
    Failed,

    /// <summary>The job gives up because its worker stops; its next start is no duplicate.</summary>
    Interrupted,

    /// <summary>The job was found in the dead-letter queue.</summary>
    DeadLetter,

    /// <summary>A worker process begins; the number is its process id.</summary>
    Boot,

    /// <summary>A worker process consumes.</summary>
    Ready,

    /// <summary>A worker process ends as it should.</summary>
    Stopped,

    /// <summary>Jobs logged 440 or 446 for a queue of <see cref="Load.LoadQueues"/>, whose index is the producer.</summary>
    Subscribed,

    /// <summary>Jobs logged 441, as above.</summary>
    ConsumerLost,

    /// <summary>Jobs logged 423, as above.</summary>
    QueueGone,

    /// <summary>Jobs logged 422; the number is how many publishes are sent again, the producer which kind of process sends them.</summary>
    Republished,

    /// <summary>The job throws, as it was made to, and becomes a dead letter.</summary>
    Died,

    /// <summary>
    /// The job runs, sent back from the dead letters; in place of <see cref="Started"/>. The attempt is the last byte of the
    /// message's stamp: each time that a letter is sent back, its message gets another stamp.
    /// </summary>
    Returned,

    /// <summary>The index of dead letters had the job at the end.</summary>
    Indexed,

    /// <summary>A worker process became the keeper; the producer is what <see cref="RecordFile.Process"/> says.</summary>
    KeeperLeads,

    /// <summary>A worker process is the keeper no more; as above.</summary>
    KeeperLost,

    /// <summary>A worker process begins to look through the dead letters; as above, and the number is the prefetch.</summary>
    SweepBegan,

    /// <summary>A request about dead letters is done; as above.</summary>
    RequestDone,

    /// <summary>The number is the working set of the process in KiB.</summary>
    WorkingSet,

    /// <summary>The number is the managed heap of the process in KiB.</summary>
    Heap,
}

/// <summary>One record of a log: 24 bytes, so that one write of the kernel holds it whole.</summary>
/// <param name="Time">Of the machine's monotonic clock, which all processes share, in <see cref="System.Diagnostics.Stopwatch"/> ticks.</param>
/// <param name="Said">What happened.</param>
/// <param name="Key">To which job.</param>
/// <param name="Attempt">1 on the first run, 2 on the first retry.</param>
readonly record struct LogRecord(long Time, Said Said, JobKey Key, byte Attempt = 0)
{
    public const int Length = 24;

    public void WriteTo(Span<byte> bytes)
    {
        BinaryPrimitives.WriteInt64LittleEndian(bytes, Time);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[8..], Key.Run);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], Key.Number);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[16..], Key.Producer);
        bytes[18] = (byte)Said;
        bytes[19] = Attempt;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[20..], Sum(bytes));
    }

    /// <summary><see langword="false"/> when the bytes are not a whole record: a log that lies must not pass for one that is silent.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out LogRecord record)
    {
        record = new(
            BinaryPrimitives.ReadInt64LittleEndian(bytes),
            (Said)bytes[18],
            new(BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]), BinaryPrimitives.ReadUInt16LittleEndian(bytes[16..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[12..])),
            bytes[19]);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]) == Sum(bytes);
    }

    static uint Sum(ReadOnlySpan<byte> bytes)
    {
        var sum = 2166136261u;
        foreach (var b in bytes[..20])
        {
            sum = (sum ^ b) * 16777619u;
        }

        return sum;
    }
}
