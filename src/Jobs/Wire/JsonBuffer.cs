using System.Buffers;
using System.Text.Json;

namespace Jobs.Wire;

/// <summary>
/// A JSON writer with its memory. Each thread keeps one, and a large text grows in pooled arrays, so that only the
/// finished bytes are allocated.
/// </summary>
sealed class JsonBuffer : IBufferWriter<byte>, IDisposable
{
    const int FirstCapacity = 1024;
    const int KeptCapacity = 64 * 1024; // the thread keeps no buffer that a large job has made larger

    [ThreadStatic]
    static JsonBuffer? kept;

    byte[] bytes = new byte[FirstCapacity];
    int written;

    JsonBuffer() => Writer = new(this, WireTypes.WriterOptions);

    public Utf8JsonWriter Writer { get; }

    /// <summary>
    /// Takes the thread's buffer away from the thread while it is in use: a getter of an argument may itself enqueue a
    /// job.
    /// </summary>
    public static JsonBuffer Take()
    {
        var buffer = kept;
        kept = null;
        return buffer ?? new();
    }

    public byte[] ToArray()
    {
        Writer.Flush();
        return bytes.AsSpan(0, written).ToArray();
    }

    /// <summary>
    /// Gives the buffer back to the thread, and resets it: after an exception, the writer is in the middle of a value.
    /// </summary>
    public void Dispose()
    {
        Writer.Reset();
        written = 0;
        if (bytes.Length > KeptCapacity)
        {
            ArrayPool<byte>.Shared.Return(bytes);
            bytes = [];
        }
        else
        {
            kept = this;
        }
    }

    void IBufferWriter<byte>.Advance(int count) => written += count;

    Memory<byte> IBufferWriter<byte>.GetMemory(int sizeHint)
    {
        Ensure(sizeHint);
        return bytes.AsMemory(written);
    }

    Span<byte> IBufferWriter<byte>.GetSpan(int sizeHint)
    {
        Ensure(sizeHint);
        return bytes.AsSpan(written);
    }

    void Ensure(int sizeHint)
    {
        var needed = checked(written + Math.Max(sizeHint, 1));
        if (needed <= bytes.Length)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Math.Max(needed, bytes.Length * 2L), Array.MaxLength));
        bytes.AsSpan(0, written).CopyTo(larger);
        if (bytes.Length > FirstCapacity)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }

        bytes = larger;
    }
}
