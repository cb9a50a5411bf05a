using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

namespace Jobs.Generators;

/// <summary>The result for one method: the task, when code can be made for it, and the problems.</summary>
sealed record TaskResult(TaskModel? Task, EquatableArray<TaskNameUse> Names, LocationModel? Location, EquatableArray<DiagnosticModel> Problems);

/// <summary>
/// One annotated method. The model has no position in the source, so that typing elsewhere in the file does not change
/// it.
/// </summary>
sealed record TaskModel(
    ContainerModel Container,
    string Method,
    string Factory,
    bool IsStatic,
    ReturnKind Returns,
    bool MayReturnNoTask,
    TypeModel? Result,
    EquatableArray<ParameterModel> Parameters,
    string Name,
    EquatableArray<string> Settings,
    EquatableArray<string> Schedules,
    string Documentation,
    string StepDocumentation)
{
    /// <summary>The generated class, fully qualified. Set when all tasks of the assembly are known.</summary>
    public string DefinitionType { get; init; } = "";

    /// <summary>
    /// Whether the factory class has a method of this task. Set when all tasks of the assembly are known.
    /// </summary>
    public bool HasFactory { get; init; }

    /// <summary>Whether the step class has a step of this task. Set when all tasks of the assembly are known.</summary>
    public StepKind Step { get; init; }

    public IEnumerable<ParameterModel> WireParameters => Parameters.Where(p => p.Type is not null);

    /// <summary>The parameters of the step: the result of the job before it takes the place of the first one.</summary>
    public IEnumerable<ParameterModel> StepParameters => WireParameters.Skip(1);

    /// <summary>The signature of the factory. Two factories with one signature do not compile.</summary>
    public string Signature => $"{Container.Namespace}.{Container.Factories}.{Factory}({TypesOf(WireParameters)})";

    /// <summary>The signature of the step; <see langword="null"/> for a task that takes nothing.</summary>
    public string? StepSignature =>
        WireParameters.Any() && Container.Steps.Length > 0 ? $"{Container.Namespace}.{Container.Steps}.{Factory}({TypesOf(StepParameters)})" : null;

    static string TypesOf(IEnumerable<ParameterModel> parameters) =>
        string.Join(", ", parameters.Select(p => p.Type!.IsReference ? p.Type.Name : p.Type!.Declared));
}

/// <summary>A class with task methods.</summary>
/// <param name="Namespace">The namespace; empty for the global namespace.</param>
/// <param name="Type">The class, fully qualified.</param>
/// <param name="Factories">The name of the class of factory methods; empty when another class has that name.</param>
/// <param name="Steps">The name of the class of steps; empty when another class has that name.</param>
/// <param name="Mangled">The full name of the class as one identifier.</param>
/// <param name="IsPublic">Whether other assemblies see the factories.</param>
sealed record ContainerModel(string Namespace, string Type, string Factories, string Steps, string Mangled, bool IsPublic);

/// <param name="Name">The C# name, which is also the wire name.</param>
/// <param name="Type">The type; <see langword="null"/> for an injected parameter, which is not sent.</param>
/// <param name="Injected">The C# expression that is passed for an injected parameter.</param>
/// <param name="Default">The default as C#, or <see langword="null"/> when there is none.</param>
/// <param name="IsParams">Whether the parameter is <c>params</c>.</param>
sealed record ParameterModel(string Name, TypeModel? Type, string? Injected, string? Default, bool IsParams)
{
    public string Identifier => NameRules.Escape(Name);

    /// <summary>The type as a reader writes it: <c>List&lt;string&gt;?</c>.</summary>
    public string TypeText { get; init; } = "";

    /// <summary>Whether viewers must not see the value.</summary>
    public bool IsSensitive { get; init; }
}

enum StepKind
{
    None,
    Step,

    /// <summary>
    /// Tasks that differ in their first parameter only would have equal steps. One step stands for all of them, and
    /// whoever uses it gets an error.
    /// </summary>
    Ambiguous,
}

enum ReturnKind { Void, Value, Task, TaskOf, ValueTask, ValueTaskOf }

/// <summary>A name or an alias of a task, to find tasks that share one.</summary>
sealed record TaskNameUse(string Name, string Method, LocationModel? Location);

/// <summary>A diagnostic as plain data, because Roslyn's own type keeps the whole compilation alive.</summary>
sealed record DiagnosticModel(string Id, LocationModel? Location, EquatableArray<string> Arguments)
{
    public Diagnostic ToDiagnostic() => Diagnostic.Create(Diagnostics.ById[Id], Location?.ToLocation(), [.. Arguments]);
}

sealed record LocationModel(string Path, TextSpan Span, LinePositionSpan Lines)
{
    public static LocationModel? From(SyntaxReference? reference, CancellationToken cancellationToken) =>
        From(reference?.GetSyntax(cancellationToken).GetLocation());

    public static LocationModel? From(Location? location) =>
        location?.SourceTree is { } tree ? new(tree.FilePath, location.SourceSpan, location.GetLineSpan().Span) : null;

    public Location ToLocation() => Location.Create(Path, Span, Lines);
}
