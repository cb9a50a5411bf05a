using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Jobs.RabbitMQ;

/// <summary>
/// The stream between RabbitMQ.Client and the socket, or TLS over the socket. The stream sends many small writes at
/// once and reads large pieces. The client itself writes each publish alone and reads 4 KiB at a time, and each system
/// call costs more than all the other work for a message.
/// </summary>
/// <remarks>
/// 1. The writer of a single write sends it at once.
/// 2. A write that comes within 100 µs of the write before it is one of many: the stream keeps it, and the thread pool
/// sends it.
/// 3. Writes that are kept while a send runs go out with the next send. There is no timer, and no send waits for more
/// writes.
/// 4. A writer that is faster than the socket waits for the send.
/// 5. After a send failed, every later write fails. The connection's reader notices the failure by itself.
/// There is one writer at a time, the client's write loop, and one reader. The bytes that are read go through
/// <see cref="InboundFrames"/>.
/// </remarks>
/// <param name="socket">A connected socket. The client closes it.</param>
/// <param name="wire">Reads and writes the socket. This stream disposes it.</param>
/// <param name="inbound">Gets the bytes that are read.</param>
/// <param name="time">The clock.</param>
sealed class BrokerStream(Socket socket, Stream wire, InboundFrames inbound, TimeProvider time) : NetworkStream(socket, ownsSocket: false), IThreadPoolWorkItem
{
    const int MostKept = 64 * 1024;

    readonly Lock gate = new();
    readonly long closeTogether = time.TimestampFrequency / 10_000;
    ArrayBufferWriter<byte> kept = new();
    ArrayBufferWriter<byte> leaving = new();
    TaskCompletionSource? sending; // not null while the thread pool sends
    Exception? failure;
    long lastWrite;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = inbound.Take(buffer.Span);
        return count > 0 || buffer.IsEmpty ? new(count) : ReceiveAsync();

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        async ValueTask<int> ReceiveAsync()
        {
            while (count == 0)
            {
                var received = await wire.ReadAsync(inbound.Room(), cancellationToken).ConfigureAwait(false);
                if (received == 0)
                {
                    return 0;
                }

                inbound.Received(received);
                count = inbound.Take(buffer.Span);
            }

            return count;
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw NotAsynchronous();

    public override int Read(Span<byte> buffer) => throw NotAsynchronous();

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!TryKeep(buffer.Span, out var sent))
        {
            if (sent is null)
            {
                await wire.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
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

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            wire.Dispose();
        }

        base.Dispose(disposing);
    }

    void IThreadPoolWorkItem.Execute() => _ = SendAsync();

    /// <param name="buffer">The bytes to write.</param>
    /// <param name="sent">
    /// Ends when there is room again; <see langword="null"/> when the writer must send the bytes itself.
    /// </param>
    /// <returns>Whether the stream has kept the bytes.</returns>
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
            if (sending is null ? buffer.Length > MostKept || now - lastWrite > closeTogether : kept.WrittenCount + buffer.Length > MostKept)
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
                await wire.WriteAsync(leaving.WrittenMemory, CancellationToken.None).ConfigureAwait(false);
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

    /// <summary>Takes the kept bytes. The send is over when there are none, or when an earlier send failed.</summary>
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

    static NotSupportedException NotAsynchronous() => new(
        "The client reads and writes asynchronously; a synchronous call would overtake the bytes that the stream keeps.");
}
