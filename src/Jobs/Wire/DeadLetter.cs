using System.Diagnostics.CodeAnalysis;

namespace Jobs.Wire;

/// <summary>Why a job is dead. These facts are in the headers of its dead letter.</summary>
[Experimental("JOBS0001")]
public sealed record DeadLetter
{
    // All headers, these and the user's own, must fit one frame of the connection.
    const int MaxReason = 1_000;
    internal const int MaxStack = 8_000;
    const int MaxBriefReason = 200;

    static readonly string[] facts =
    [
        WireHeaders.DeadReason, WireHeaders.DeadAt, WireHeaders.DeadAttempts, WireHeaders.DeadQueue, WireHeaders.DeadException, WireHeaders.DeadStack,
    ];

    /// <summary>What happened, in a sentence.</summary>
    public required string Reason { get; init; }

    /// <summary>When the job died.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>The queue that the job came from; <see langword="null"/> when the letter does not say.</summary>
    public string? Queue { get; init; }

    /// <summary>How often the task was run.</summary>
    public int Attempts { get; init; }

    /// <summary>Type and message of what the task threw; <see langword="null"/> when it threw nothing.</summary>
    public string? Exception { get; init; }

    /// <summary>What the task threw, with its stack; <see langword="null"/> when it threw nothing.</summary>
    public string? Stack { get; init; }

    /// <summary>Whether the letter has a short reason and no exception, and so cannot be cut any further.</summary>
    internal bool IsBrief => Exception is null && Stack is null && Reason.Length <= MaxBriefReason + 1;

    /// <summary>The letter of a job that ended with <paramref name="exception"/>.</summary>
    internal DeadLetter Of(Exception? exception) => exception is null ? this : this with
    {
        Exception = $"{exception.GetType().FullName}: {ExceptionText.Message(exception)}",
        Stack = ExceptionText.Whole(exception),
    };

    /// <summary>This letter with a short reason and without the exception.</summary>
    internal DeadLetter Brief() => this with { Reason = Cut(Reason, MaxBriefReason), Exception = null, Stack = null };

    /// <summary>
    /// Makes a copy of the message with these facts in its headers. The rest stays as it came, so that somebody can
    /// send the job again.
    /// </summary>
    internal JobMessage Write(JobMessage message, int stamp)
    {
        var copy = message.Copy(stamp);
        copy.Headers[WireHeaders.DeadReason] = Cut(Reason, MaxReason);
        copy.Headers[WireHeaders.DeadAt] = WireTime.Format(At);
        copy.Headers[WireHeaders.DeadAttempts] = Attempts;
        Set(WireHeaders.DeadQueue, Queue);
        Set(WireHeaders.DeadException, Exception is null ? null : Cut(Exception, MaxReason));
        Set(WireHeaders.DeadStack, Stack is null ? null : Cut(Stack, MaxStack));
        return copy;

        void Set(string header, string? value)
        {
            if (value is null)
            {
                copy.Headers.Remove(header); // a job that was sent again and died again has headers of its first death
            }
            else
            {
                copy.Headers[header] = value;
            }
        }
    }

    /// <summary>
    /// Makes a letter without any of these facts. The letter is no larger than the message was when it came.
    /// </summary>
    internal static JobMessage Bare(JobMessage message)
    {
        var copy = message.Copy(0);
        copy.Headers.Remove(WireHeaders.Copy);
        foreach (var fact in facts)
        {
            copy.Headers.Remove(fact);
        }

        return copy;
    }

    /// <summary>
    /// Reads the facts in a message's headers; <see langword="null"/> when the message is no dead letter of Jobs.
    /// </summary>
    internal static DeadLetter? Read(JobMessage message)
    {
        if (Text(WireHeaders.DeadReason) is not { } reason)
        {
            return null;
        }

        return new()
        {
            Reason = reason,
            At = Text(WireHeaders.DeadAt) is { } at && WireTime.TryParse(at, out var time) ? time : default,
            Queue = Text(WireHeaders.DeadQueue),
            Attempts = message.Headers.GetValueOrDefault(WireHeaders.DeadAttempts) is int attempts ? attempts : 0,
            Exception = Text(WireHeaders.DeadException),
            Stack = Text(WireHeaders.DeadStack),
        };

        string? Text(string header) => message.Headers.GetValueOrDefault(header) as string;
    }

    static string Cut(string text, int max) => text.Length <= max ? text : string.Concat(text.AsSpan(0, max), "…");
}
