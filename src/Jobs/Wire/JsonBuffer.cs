using System.Buffers;
using System.Text.Json;

namespace Jobs.Wire;

/// <summary>A JSON writer with its memory. One is kept per thread, so that only the exact bytes are allocated.</summary>
sealed class JsonBuffer : IDisposable
{
    const int KeptCapacity = 64 * 1024; // a buffer that one large job blew up is let go

    [ThreadStatic]
    static JsonBuffer? kept;

    readonly ArrayBufferWriter<byte> bytes = new(1024);

    JsonBuffer(JsonSerializerOptions json) => Writer = new(bytes, new() { Encoder = json.Encoder, SkipValidation = true });

    public Utf8JsonWriter Writer { get; }

    /// <summary>Takes the thread's buffer. It is not kept while it is in use: a getter of an argument may itself enqueue a job.</summary>
    public static JsonBuffer Take(JsonSerializerOptions json)
    {
        var buffer = kept;
        kept = null;
        return buffer is not null && buffer.Writer.Options.Encoder == json.Encoder ? buffer : new(json);
    }

    public byte[] ToArray()
    {
        Writer.Flush();
        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Gives the buffer back. After an exception the writer is in the middle of a value: both start again.</summary>
    public void Dispose()
    {
        if (bytes.Capacity <= KeptCapacity)
        {
            bytes.ResetWrittenCount();
            Writer.Reset();
            kept = this;
        }
    }
}
