using System.Buffers;
using System.Net.Sockets;

namespace Jobs.RabbitMQ;

/// <summary>
/// The socket's stream. It sends many small writes at once: the client writes each publish by itself, and to send one costs more than all else that is
/// done for it.
/// </summary>
/// <remarks>
/// 1. A write that comes alone is sent at once, by its writer. 2. A write that comes within 100 µs of another is one of many: it is kept, and the thread
/// pool sends it. 3. What is kept while a send runs goes out with the next send. There is no timer, and nothing waits for more to come. 4. A writer who
/// is faster than the socket waits for the send. 5. A send that fails fails every later write; the connection's reader learns of it by itself.
/// There is one writer at a time: the client's write loop, or the TLS stream on top of this one.
/// </remarks>
sealed class BrokerStream(Socket socket, TimeProvider time) : NetworkStream(socket, ownsSocket: false), IThreadPoolWorkItem
{
    const int MostKept = 64 * 1024;

    readonly Lock gate = new();
    readonly long aMoment = time.TimestampFrequency / 10_000;
    ArrayBufferWriter<byte> kept = new();
    ArrayBufferWriter<byte> leaving = new();
    TaskCompletionSource? sending; // while the thread pool sends
    Exception? failure;
    long lastWrite;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!TryKeep(buffer.Span, out var sent))
        {
            if (sent is null)
            {
                await base.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
                lastWrite = time.GetTimestamp();
                return;
            }

            await sent.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => throw NotAsynchronous();

    public override void Write(ReadOnlySpan<byte> buffer) => throw NotAsynchronous();

    void IThreadPoolWorkItem.Execute() => _ = SendAsync();

    /// <param name="buffer">What shall be written.</param>
    /// <param name="sent">Ends when there is room again; <see langword="null"/> when the writer is to send it alone.</param>
    bool TryKeep(ReadOnlySpan<byte> buffer, out Task? sent)
    {
        lock (gate)
        {
            if (failure is not null)
            {
                throw new IOException(failure.Message, failure);
            }

            sent = sending?.Task;
            var now = time.GetTimestamp();
            if (sending is null ? buffer.Length > MostKept || now - lastWrite > aMoment : kept.WrittenCount + buffer.Length > MostKept)
            {
                return false;
            }

            kept.Write(buffer);
            lastWrite = now;
            if (sending is null)
            {
                sending = new(TaskCreationOptions.RunContinuationsAsynchronously);
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            }

            return true;
        }
    }

    async Task SendAsync()
    {
        while (TryTake())
        {
            try
            {
                await base.WriteAsync(leaving.WrittenMemory, CancellationToken.None).ConfigureAwait(false);
                leaving.ResetWrittenCount();
            }
            catch (Exception e)
            {
                lock (gate)
                {
                    failure = e;
                }
            }
        }
    }

    /// <summary>Takes what is kept; if nothing is, or nothing can be sent any more, the send is over.</summary>
    bool TryTake()
    {
        lock (gate)
        {
            if (kept.WrittenCount > 0 && failure is null)
            {
                (kept, leaving) = (leaving, kept);
                return true;
            }

            sending!.SetResult();
            sending = null;
            return false;
        }
    }

    static NotSupportedException NotAsynchronous() => new("The client writes asynchronously; another write would overtake what is kept.");
}
