using Jobs.Control;
using Jobs.Wire;

namespace Jobs.Inspection;

/// <summary>What went wrong in an attempt. Attempts that fail alike share one object.</summary>
sealed class JobFailure
{
    readonly byte[] exception;
    readonly byte[] traceback;
    readonly int fullLength;

    JobFailure(byte[] exception, byte[] traceback, int fullLength, string type, string frame) =>
        (this.exception, this.traceback, this.fullLength, Type, Frame) = (exception, traceback, fullLength, type, frame);

    /// <summary>The type of the exception, as the worker named it.</summary>
    public string Type { get; }

    /// <summary>Where the user's own code failed; empty when the worker sent no stack.</summary>
    public string Frame { get; }

    /// <summary>How much memory it takes.</summary>
    public int Bytes => exception.Length + traceback.Length + 128;

    public string Message => MessageOf(JobText.Of(exception)!);

    public static JobFailure Of(ReadOnlySpan<byte> exception, ReadOnlySpan<byte> traceback, TextPool pool) => new(
        JobText.Cut(exception, JobText.MostBytes).ToArray(),
        JobText.KeepBothEnds(traceback),
        exception.Length + traceback.Length,
        Letters.Cut(pool.Name(TypeOf(exception)) ?? ""), // as dead letters have them, so that a group finds its letters
        Letters.Cut(pool.Name(FailureFrame.Of(traceback)) ?? ""));

    /// <summary>
    /// The cause of a Celery retry: <c>KeyError('k')</c> of <c>Retry(Retry(...), KeyError('k'), 1)</c>. Where Celery has
    /// wrapped the exception, or sent none, the last line of the traceback: <c>KeyError: 'k'</c>.
    /// </summary>
    public static ReadOnlySpan<byte> Unwrap(ReadOnlySpan<byte> exception, ReadOnlySpan<byte> traceback)
    {
        var prefix = "Retry(Retry(...), "u8;
        if (!exception.StartsWith(prefix))
        {
            return (exception.IsEmpty || exception.StartsWith("ExceptionWithTraceback"u8)) && LastLine(traceback) is { IsEmpty: false } line ? line : exception;
        }

        var cause = exception[prefix.Length..];
        var end = cause.LastIndexOf(", "u8);
        return end > 0 ? cause[..end] : cause;
    }

    /// <summary>Whether it was made from these texts, as far as they are kept.</summary>
    public bool IsOf(ReadOnlySpan<byte> otherException, ReadOnlySpan<byte> otherTraceback) =>
        otherException.Length + otherTraceback.Length == fullLength
        && JobText.Cut(otherException, JobText.MostBytes).SequenceEqual(exception)
        && (otherTraceback.Length > JobText.MostBytes ? JobText.KeepBothEnds(otherTraceback).AsSpan() : otherTraceback).SequenceEqual(traceback);

    public bool Contains(string text) => JobText.Contains(exception, text) || JobText.Contains(traceback, text);

    public JobError ToError() => new(Type, Message, traceback.Length == 0 ? null : JobText.Of(traceback));

    /// <summary>The type in a text like <c>ValueError('bad')</c>; the text itself when it has no brackets.</summary>
    static ReadOnlySpan<byte> TypeOf(ReadOnlySpan<byte> exception)
    {
        var bracket = exception.IndexOfAny("(:\n"u8);
        return bracket > 0 ? exception[..bracket].Trim((byte)' ') : exception;
    }

    // Celery sets some tracebacks in quotes of three.
    static ReadOnlySpan<byte> LastLine(ReadOnlySpan<byte> traceback)
    {
        traceback = traceback.TrimEnd("\r\n \""u8);
        return traceback[(traceback.LastIndexOf((byte)'\n') + 1)..];
    }

    // What is between the brackets, or behind the colon. A single text loses its quotes.
    static string MessageOf(string exception)
    {
        var open = exception.IndexOf('(', StringComparison.Ordinal);
        var colon = exception.IndexOf(": ", StringComparison.Ordinal);
        if (colon > 0 && (open < 0 || colon < open))
        {
            var text = exception[(colon + 2)..];
            return text is ['(', .., ')'] ? text[1..^1] : text;
        }

        if (open < 0 || !exception.EndsWith(')'))
        {
            return exception;
        }

        var inner = exception[(open + 1)..^1];
        if (inner.EndsWith(',')) // old Pythons
        {
            inner = inner[..^1];
        }

        return inner is ['\'' or '"', .., _] && inner[0] == inner[^1] && !inner[1..^1].Contains(inner[0], StringComparison.Ordinal) ? inner[1..^1] : inner;
    }
}
