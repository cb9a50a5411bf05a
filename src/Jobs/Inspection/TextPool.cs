using System.Text;

namespace Jobs.Inspection;

/// <summary>
/// Keeps one copy of each name and of each failure: many jobs have the same task, queue and worker, and fail alike.
/// </summary>
sealed class TextPool
{
    const int MostNames = 20_000;
    const int MostFailures = 4_096;
    const int MostNameBytes = 512;

    readonly HashSet<string> names = new(StringComparer.Ordinal);
    readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> byText;
    readonly Dictionary<int, JobFailure> failures = [];
    readonly Queue<int> oldest = new();

    public TextPool() => byText = names.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <returns>The name; <see langword="null"/> for an empty one.</returns>
    public string? Name(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty)
        {
            return null;
        }

        Span<char> name = stackalloc char[MostNameBytes];
        name = name[..Encoding.UTF8.GetChars(JobText.Cut(text, MostNameBytes), name)];
        if (byText.TryGetValue(name, out var known))
        {
            return known;
        }

        var made = name.ToString();
        if (names.Count < MostNames)
        {
            names.Add(made);
        }

        return made;
    }

    public JobFailure Failure(ReadOnlySpan<byte> exception, ReadOnlySpan<byte> traceback)
    {
        exception = JobFailure.Unwrap(exception, traceback);
        var hash = new HashCode();
        hash.AddBytes(exception);
        hash.AddBytes(traceback);
        var key = hash.ToHashCode();
        if (failures.TryGetValue(key, out var known) && known.IsOf(exception, traceback))
        {
            return known;
        }

        if (known is null) // else another failure has the same hash, and loses its place
        {
            oldest.Enqueue(key);
            if (failures.Count >= MostFailures)
            {
                failures.Remove(oldest.Dequeue());
            }
        }

        return failures[key] = JobFailure.Of(exception, traceback, this);
    }
}
