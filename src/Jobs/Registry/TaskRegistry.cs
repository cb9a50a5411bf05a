using System.Collections.Frozen;

namespace Jobs.Registry;

/// <summary>All tasks of this process, by name and alias. Built once at start.</summary>
sealed class TaskRegistry
{
    readonly FrozenDictionary<string, TaskDefinition> byName;

    readonly List<string> problems = [];

    internal TaskRegistry(IEnumerable<TaskDefinition> definitions)
    {
        var names = new Dictionary<string, TaskDefinition>(StringComparer.Ordinal);
        foreach (var definition in definitions.Distinct())
        {
            foreach (var name in definition.Aliases.Prepend(definition.Name))
            {
                if (!names.TryAdd(name, definition))
                {
                    problems.Add($"Two tasks are called '{name}': one in {names[name].Class} and one in {definition.Class}. Rename one, and keep its "
                        + "old name in Aliases.");
                }
            }
        }

        byName = names.ToFrozenDictionary(StringComparer.Ordinal);
        All = [.. names.Values.Distinct().OrderBy(d => d.Name, StringComparer.Ordinal)];
    }

    /// <summary>All tasks, ordered by name.</summary>
    public IReadOnlyList<TaskDefinition> All { get; }

    /// <summary>A problem per name that two tasks share. A host with problems does not start.</summary>
    internal IReadOnlyList<string> Problems => problems;

    /// <summary>The task with that name or alias, or <see langword="null"/>.</summary>
    public TaskDefinition? Find(string name) => byName.GetValueOrDefault(name);
}
