using System.Collections.Immutable;
using Microsoft.CodeAnalysis;

namespace Jobs.Generators;

/// <summary>Makes typed job factories and task definitions of the methods annotated <c>[Task]</c>.</summary>
/// <remarks>
/// 1. Turn each annotated method into a <see cref="TaskResult"/>: a task without positions in the source, and problems
/// with positions.
/// 2. Report the problems, and compare the names over the whole assembly.
/// 3. Group the tasks by class. Emit one file per class, and one for the assembly.
/// <para>
/// When a step gives the same result as the last time, the compiler skips the later steps. So typing elsewhere
/// generates nothing.
/// </para>
/// </remarks>
[Generator(LanguageNames.CSharp)]
public sealed class TaskGenerator : IIncrementalGenerator
{
    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var results = context.SyntaxProvider
            .ForAttributeWithMetadataName(
                "Jobs.TaskAttribute",
                static (_, _) => true, // local functions and accessors too, to report that they cannot be tasks
                static (c, cancellationToken) => new TaskParser((IMethodSymbol)c.TargetSymbol, c.Attributes[0], cancellationToken).Parse())
            .WithTrackingName("Results");
        context.RegisterSourceOutput(results.Collect(), static (output, all) =>
        {
            // All tasks of a class have the same problem with a name that the class needs.
            foreach (var problem in all.SelectMany(r => r.Problems).Concat(Duplicates(all)).Distinct())
            {
                Report(output, problem);
            }
        });
        foreach (var (attribute, name) in new[] { ("Jobs.CronAttribute", "Cron"), ("Jobs.EveryAttribute", "Every") })
        {
            var lonely = context.SyntaxProvider
                .ForAttributeWithMetadataName(attribute, static (_, _) => true, (c, cancellationToken) => Lonely(c, name, cancellationToken))
                .Where(static p => p is not null);
            context.RegisterSourceOutput(lonely, static (output, problem) => Report(output, problem!));
        }

        var classes = results
            .Select(static (r, _) => r.Task).Where(static t => t is not null).Collect()
            .SelectMany(static (tasks, _) => ClassModel.Group(tasks!))
            .WithTrackingName("Classes");
        context.RegisterSourceOutput(classes, static (output, model) => output.AddSource(model.HintName, Emitter.Emit(model)));

        var modules = classes.Select(static (c, _) => c.Container.Mangled).Collect().Select(static (m, _) => m.ToEquatable())
            .Combine(context.CompilationProvider.Select(static (c, _) => c.AssemblyName ?? "Program"))
            .WithTrackingName("Modules");
        context.RegisterSourceOutput(modules, static (output, found) =>
        {
            if (found.Left.Count > 0)
            {
                output.AddSource("Jobs.AddTasks.g.cs", Emitter.EmitAddTasks(found.Right, found.Left));
            }
        });
    }

    static void Report(SourceProductionContext output, DiagnosticModel problem) => output.ReportDiagnostic(problem.ToDiagnostic());

    static DiagnosticModel? Lonely(GeneratorAttributeSyntaxContext context, string name, CancellationToken cancellationToken) =>
        TypeParser.HasAttribute(context.TargetSymbol, "Jobs.TaskAttribute")
            ? null
            : new(
                Diagnostics.ScheduleWithoutTask.Id,
                LocationModel.From(context.Attributes[0].ApplicationSyntaxReference, cancellationToken),
                new[] { name, $"{context.TargetSymbol.ContainingType.Name}.{context.TargetSymbol.Name}" }.ToEquatable());

    static IEnumerable<DiagnosticModel> Duplicates(ImmutableArray<TaskResult> results)
    {
        var names = new Dictionary<string, TaskNameUse>(StringComparer.Ordinal);
        var factories = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var result in results)
        {
            foreach (var use in result.Names)
            {
                if (names.TryGetValue(use.Name, out var first))
                {
                    yield return new(Diagnostics.DuplicateName.Id, use.Location, new[] { use.Name, first.Method, use.Method }.ToEquatable());
                }
                else
                {
                    names.Add(use.Name, use);
                }
            }

            if (result.Task is not { } task)
            {
                continue;
            }

            var method = result.Names[0].Method;
            var (type, other) = task.Factory == task.Container.Factories ? (task.Factory, "the class of factory methods")
                : task.Factory == task.Container.Steps && task.StepSignature is not null ? (task.Factory, "the class of steps")
                : (task.Container.Factories, factories.TryGetValue(task.Signature, out var earlier) ? earlier : null);
            if (other is null)
            {
                factories.Add(task.Signature, method);
            }
            else
            {
                yield return new(Diagnostics.DuplicateFactory.Id, result.Location, new[] { other, method, $"{type}.{task.Factory}" }.ToEquatable());
            }
        }
    }
}
