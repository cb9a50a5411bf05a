using System.Collections;

namespace Jobs.Working;

/// <summary>The logging scope of a run.</summary>
sealed class RunScope(JobContext context) : IReadOnlyList<KeyValuePair<string, object?>>
{
    public int Count => 4;

    public KeyValuePair<string, object?> this[int index] => index switch
    {
        0 => new("Task", context.TaskName),
        1 => new("JobId", context.Id),
        2 => new("Attempt", context.Attempt),
        3 => new("Queue", context.Queue),
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator()
    {
        for (var i = 0; i < Count; i++)
        {
            yield return this[i];
        }
    }

    public override string ToString() => context.ToString();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
