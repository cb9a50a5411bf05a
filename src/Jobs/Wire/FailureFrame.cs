namespace Jobs.Wire;

/// <summary>Finds the place in a stack that a person looks at first: where the user's own code failed.</summary>
static class FailureFrame
{
    // A dead letter carries this much of its stack. Events carry more, and must find the same place.
    const int MostBytes = DeadLetter.MaxStack;

    /// <summary>
    /// .NET: the first line that begins with <c>at</c> after spaces and names neither <c>System</c> nor <c>Microsoft</c>,
    /// without that word; the first such line at all when the framework fills the stack. Python: the last line that begins with
    /// <c>File</c> and lies in no installed package; else the last one at all. Empty where there is no stack.
    /// </summary>
    public static ReadOnlySpan<byte> Of(ReadOnlySpan<byte> stack)
    {
        ReadOnlySpan<byte> first = default, last = default, own = default;
        var read = 0;
        while (read < stack.Length)
        {
            var rest = stack[read..];
            var end = rest.IndexOf((byte)'\n');
            var line = end < 0 ? rest : rest[..end];
            var isInLetter = read + line.Length <= MostBytes;
            read += line.Length + 1;
            var text = line.Trim(" \t\r"u8);
            if (text.Length == line.Length)
            {
                continue; // no indentation: a message
            }

            if (text.StartsWith("File \""u8))
            {
                last = text;
                own = IsInstalled(text) ? own : text;
            }
            else if (text.StartsWith("at "u8))
            {
                var call = text[3..];
                first = first.IsEmpty ? call : first;
                if (!isInLetter)
                {
                    break;
                }

                if (!IsFramework(call))
                {
                    return call;
                }
            }
        }

        return !first.IsEmpty ? first : !own.IsEmpty ? own : last;
    }

    static bool IsFramework(ReadOnlySpan<byte> call) => call.StartsWith("System."u8) || call.StartsWith("Microsoft."u8);

    static bool IsInstalled(ReadOnlySpan<byte> line) =>
        line.IndexOf("site-packages"u8) >= 0 || line.IndexOf("dist-packages"u8) >= 0 || line.IndexOf("/lib/python"u8) >= 0;
}
