namespace Jobs.Registry;

/// <summary>Finds the queue of a task that this program does not have, by patterns: <c>tasks.*</c>.</summary>
static class TaskRoutes
{
    /// <summary>
    /// The queue of the most precise pattern that fits: the name itself, or else the pattern with the longest text.
    /// </summary>
    public static string? Find(IDictionary<string, string> routes, string task) =>
        routes.Count == 0 ? null
        : routes.TryGetValue(task, out var exact) ? exact
        : routes.Where(route => Fits(route.Key, task)).OrderByDescending(route => route.Key.Length).Select(route => route.Value).FirstOrDefault();

    // A star stands for any text, also for none.
    static bool Fits(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        var star = pattern.IndexOf('*');
        if (star < 0)
        {
            return pattern.SequenceEqual(text);
        }

        if (!text.StartsWith(pattern[..star]))
        {
            return false;
        }

        for (var from = star; from <= text.Length; from++)
        {
            if (Fits(pattern[(star + 1)..], text[from..]))
            {
                return true;
            }
        }

        return false;
    }
}
