using System.Buffers;
using Jobs.Registry;

namespace Jobs.Events;

/// <summary>
/// Decides which values viewers do not see: those of <see cref="SensitiveAttribute"/>, and those whose names say it.
/// </summary>
/// <param name="names"><see cref="JobsOptions.SensitiveNames"/>.</param>
sealed class SensitiveRule(IEnumerable<string> names)
{
    /// <summary>What is shown instead of a value.</summary>
    public const string Mask = "'***'";

    readonly string[] words = [.. names.Select(name => Plain(name, new char[name.Length]).ToString())];
    SearchValues<string>? search; // made for the first event: most processes start without one

    /// <summary>Hides nothing.</summary>
    public static SensitiveRule None { get; } = new([]);

    /// <summary>Whether the value of that name is hidden.</summary>
    /// <param name="name">The name.</param>
    /// <param name="task">The task, when the name is that of an argument.</param>
    public bool Hides(ReadOnlySpan<char> name, TaskDefinition? task = null)
    {
        var plain = Plain(name, stackalloc char[name.Length]);
        return plain.ContainsAny(search ??= SearchValues.Create(words, StringComparison.OrdinalIgnoreCase)) || (task is not null && HasSensitive(task, plain));
    }

    /// <summary>Whether the argument at that position is hidden.</summary>
    public bool Hides(TaskDefinition? task, int position) =>
        task is not null && position < task.Parameters.Count && (task.Parameters[position].IsSensitive || Hides(task.Parameters[position].Name));

    // As loosely as the words: a sender that misspells 'userPin' as 'user_pin' fails, and the failure must not show it.
    static bool HasSensitive(TaskDefinition task, ReadOnlySpan<char> plain)
    {
        foreach (var parameter in task.Parameters)
        {
            if (parameter.IsSensitive
                && plain.Equals(Plain(parameter.Name, new char[parameter.Name.Length]), StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    static ReadOnlySpan<char> Plain(ReadOnlySpan<char> name, Span<char> into)
    {
        var length = 0;
        foreach (var character in name)
        {
            if (character is not ('_' or '-'))
            {
                into[length++] = character;
            }
        }

        return into[..length];
    }
}
