using System.Text;

namespace Jobs.RabbitMQ;

/// <summary>The arithmetic of delays: a delay is a number of seconds, and a message waits in one level for each binary digit that is set.</summary>
static class Delays
{
    /// <summary>2^0 to 2^27 seconds: together any delay up to 8.5 years.</summary>
    public const int Levels = 28;

    /// <summary>The whole seconds a delay takes; never less than asked, but for what exceeds all levels (the worker delays the rest of it again).</summary>
    public static int Seconds(TimeSpan delay) => (int)Math.Clamp(Math.Ceiling(delay.TotalSeconds - 0.001), 1, (1 << Levels) - 1);

    /// <summary>The first level that a delay waits in: its highest bit.</summary>
    public static int HighestLevel(int seconds) => 31 - int.LeadingZeroCount(seconds);

    /// <summary>28 bits, most significant first, then the destination: each level's bindings look at their bit only.</summary>
    public static string Key(int seconds, string queue)
    {
        var key = new StringBuilder(Levels * 2 + queue.Length);
        for (var level = Levels - 1; level >= 0; level--)
        {
            key.Append((seconds >> level & 1) == 1 ? "1." : "0.");
        }

        return key.Append(queue).ToString();
    }

    /// <summary>Matches keys whose bit of that level is set or not.</summary>
    public static string BitPattern(int level, bool set) => string.Concat(Enumerable.Repeat("*.", Levels - 1 - level)) + (set ? "1.#" : "0.#");

    /// <summary>Matches keys of exactly this destination: with <c>#.b</c> a message for the queue <c>a.b</c> would arrive in <c>b</c> too.</summary>
    public static string DestinationPattern(string queue) => string.Concat(Enumerable.Repeat("*.", Levels)) + queue;
}
