using System.Text;

namespace Jobs.RabbitMQ;

/// <summary>
/// The arithmetic of delays. A delay is a number of seconds. A message waits in one level for each binary digit of this
/// number that is 1.
/// </summary>
static class Delays
{
    /// <summary>2^0 to 2^27 seconds: together any delay up to 8.5 years.</summary>
    public const int Levels = 28;

    /// <summary>
    /// The whole seconds that a delay takes. They are never less than asked, unless the delay exceeds all levels
    /// together; then the worker delays the rest again.
    /// </summary>
    public static int Seconds(TimeSpan delay) => (int)Math.Clamp(Math.Ceiling(delay.TotalSeconds - 0.001), 1, (1 << Levels) - 1);

    /// <summary>The first level that a delay waits in: the highest binary digit that is 1.</summary>
    public static int HighestLevel(int seconds) => 31 - int.LeadingZeroCount(seconds);

    /// <summary>
    /// The routing key: 28 bits, most significant first, then the destination. The bindings of a level look only at the
    /// bit of that level.
    /// </summary>
    public static string Key(int seconds, string queue)
    {
        var key = new StringBuilder(Levels * 2 + queue.Length);
        for (var level = Levels - 1; level >= 0; level--)
        {
            key.Append((seconds >> level & 1) == 1 ? "1." : "0.");
        }

        return key.Append(queue).ToString();
    }

    /// <summary>Matches keys whose bit for that level is set, or not set.</summary>
    public static string BitPattern(int level, bool set) => string.Concat(Enumerable.Repeat("*.", Levels - 1 - level)) + (set ? "1.#" : "0.#");

    /// <summary>
    /// Matches keys of exactly this destination. With <c>#.b</c>, a message for the queue <c>a.b</c> would also reach
    /// <c>b</c>.
    /// </summary>
    public static string DestinationPattern(string queue) => string.Concat(Enumerable.Repeat("*.", Levels)) + queue;
}
