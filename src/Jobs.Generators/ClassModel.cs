using System.Collections.Immutable;

namespace Jobs.Generators;

/// <summary>The tasks of one class: one generated file.</summary>
sealed record ClassModel(ContainerModel Container, EquatableArray<TaskModel> Tasks)
{
    /// <summary>Tells apart classes whose names differ by case only, because file names must differ by more.</summary>
    public int Homonym { get; init; }

    /// <summary>The name of the generated file: unique in the assembly, and stable.</summary>
    public string HintName => $"{Container.Type.Replace("global::", "").Replace("@", "")}{(Homonym == 0 ? "" : $"-{Homonym + 1}")}.g.cs";

    public static IEnumerable<ClassModel> Group(ImmutableArray<TaskModel> tasks)
    {
        var signatures = new HashSet<string>(StringComparer.Ordinal);
        var steps = tasks.GroupBy(t => t.Signature).Select(t => t.First().StepSignature).GroupBy(s => s ?? "").ToDictionary(s => s.Key, s => s.Count());
        var types = new Dictionary<string, int>(StringComparer.Ordinal);

        // NewsTasks and News share the partial class NewsJobs. All parts of a partial class must have the same
        // visibility.
        var hidden = new HashSet<string>(tasks.Where(t => !t.Container.IsPublic).Select(t => $"{t.Container.Namespace}.{t.Container.Factories}"));
        var homonyms = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        foreach (var group in tasks.GroupBy(t => t.Container))
        {
            homonyms[group.Key.Type] = homonyms.TryGetValue(group.Key.Type, out var count) ? count + 1 : 0;
            var container = group.Key with { IsPublic = !hidden.Contains($"{group.Key.Namespace}.{group.Key.Factories}") };
            yield return new(container, group.Select(Finish).ToEquatable()) { Homonym = homonyms[group.Key.Type] };
        }

        TaskModel Finish(TaskModel task)
        {
            var type = $"global::Jobs.Generated.{task.Container.Mangled}_{task.Method.Replace("_", "__")}_Task";
            types[type] = types.TryGetValue(type, out var count) ? count + 1 : 1;

            // Leave out a factory that would not compile. The generator has reported it.
            var isNew = signatures.Add(task.Signature);
            var compiles = isNew && task.Container.Factories.Length > 0 && task.Factory != task.Container.Factories;
            var step = isNew && task.StepSignature is { } signature && task.Factory != task.Container.Steps && signatures.Add(signature)
                ? steps[signature] == 1 ? StepKind.Step : StepKind.Ambiguous
                : StepKind.None;
            return task with { HasFactory = compiles, Step = step, DefinitionType = count == 0 ? type : $"{type}{count + 1}" };
        }
    }
}
