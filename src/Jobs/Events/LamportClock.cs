namespace Jobs.Events;

/// <summary>
/// Orders the events of all processes: a number that grows with each event sent, and jumps ahead of each one heard.
/// </summary>
sealed class LamportClock
{
    long value;

    /// <summary>The number of the next event.</summary>
    public long Next() => Interlocked.Increment(ref value);

    /// <summary>
    /// Another process has sent an event with this number. A number that no process can have reached is passed over.
    /// </summary>
    public void Saw(long other)
    {
        const long Reachable = 1L << 52;
        if (other > Reachable)
        {
            return;
        }

        for (var own = Interlocked.Read(ref value); own <= other; own = Interlocked.Read(ref value))
        {
            if (Interlocked.CompareExchange(ref value, other + 1, own) == own)
            {
                return;
            }
        }

        Next();
    }
}
