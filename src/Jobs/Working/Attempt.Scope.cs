using System.Collections;

namespace Jobs.Working;

/// <summary>
/// The attempt is also the logging scope of its run: a scope of its own would be one more object for each job.
/// </summary>
sealed partial class Attempt : IReadOnlyList<KeyValuePair<string, object?>>
{
    int IReadOnlyCollection<KeyValuePair<string, object?>>.Count => 4;

    KeyValuePair<string, object?> IReadOnlyList<KeyValuePair<string, object?>>.this[int index] => Entry(index);

    IEnumerator<KeyValuePair<string, object?>> IEnumerable<KeyValuePair<string, object?>>.GetEnumerator() =>
        Enumerable.Range(0, 4).Select(Entry).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => ((IEnumerable<KeyValuePair<string, object?>>)this).GetEnumerator();

    public override string ToString() => $"{TaskName} {Id} attempt {Number} from {Delivery.Queue}";

    KeyValuePair<string, object?> Entry(int index) => index switch
    {
        0 => new("Task", TaskName),
        1 => new("JobId", Id),
        2 => new("Attempt", Number),
        3 => new("Queue", Delivery.Queue),
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };
}
