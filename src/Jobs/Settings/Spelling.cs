namespace Jobs.Settings;

/// <summary>Finds the name that somebody may have meant.</summary>
static class Spelling
{
    /// <summary>The known names, the most similar first.</summary>
    public static IEnumerable<string> Nearest(string name, IEnumerable<string> known) =>
        known.OrderBy(other => Distance(name.ToUpperInvariant(), other.ToUpperInvariant())).ThenBy(other => other, StringComparer.Ordinal);

    /// <summary>Levenshtein's: how many letters must be put in, taken out or changed.</summary>
    static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(change, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
