using System.IO.Compression;

namespace Jobs.Wire;

/// <summary>
/// Reads compressed bodies, which Celery's <c>task_compression</c> sends. What Celery calls gzip is a zlib stream.
/// </summary>
static class Compression
{
    /// <summary>A body that becomes larger than this is refused: a few bytes could fill the memory.</summary>
    public const int MostBytes = 64 << 20;

    /// <summary>Whether bodies of this kind are read.</summary>
    public static bool IsKnown(string name) => name is "application/x-gzip" or "gzip" or "zlib" or "application/x-brotli" or "brotli";

    /// <exception cref="JobFormatException">The body is damaged, or becomes too large.</exception>
    public static ReadOnlyMemory<byte> Decompress(ReadOnlyMemory<byte> body, string name)
    {
        try
        {
            using var compressed = new MemoryStream(body.ToArray());
            using Stream stream = name.EndsWith("brotli", StringComparison.Ordinal) ? new BrotliStream(compressed, CompressionMode.Decompress)
                : body.Span is [0x1F, 0x8B, ..] ? new GZipStream(compressed, CompressionMode.Decompress)
                : new ZLibStream(compressed, CompressionMode.Decompress);
            using var plain = new MemoryStream();
            var buffer = new byte[16 * 1024];
            for (int read; (read = stream.Read(buffer)) > 0;)
            {
                if (plain.Length + read > MostBytes)
                {
                    throw new JobFormatException($"The body becomes larger than {MostBytes} bytes when it is decompressed.");
                }

                plain.Write(buffer, 0, read);
            }

            return plain.ToArray();
        }
        catch (Exception e) when (e is InvalidDataException or IOException or InvalidOperationException)
        {
            throw new JobFormatException($"The body is compressed with '{name}', and cannot be decompressed: {e.Message}", e);
        }
    }
}
