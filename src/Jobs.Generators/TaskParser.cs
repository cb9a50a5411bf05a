using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Jobs.Generators;

/// <summary>Reads one annotated method, and finds its problems.</summary>
/// <remarks>
/// A problem of the attribute (a bad name, a bad schedule) still gives a task. So one mistake is one error, without a
/// further "NewsJobs does not exist" at every caller. A method for which no code can be made gives no task.
/// </remarks>
sealed class TaskParser(IMethodSymbol method, AttributeData attribute, CancellationToken cancellationToken)
{
    const string ContextType = "Jobs.JobContext";
    const string TokenType = "System.Threading.CancellationToken";

    readonly List<DiagnosticModel> problems = [];
    readonly string display = $"{method.ContainingType.Name}.{method.Name}";
    readonly LocationModel? location = LocationModel.From(method.Locations.FirstOrDefault());

    public TaskResult Parse()
    {
        var attributeLocation = LocationModel.From(attribute.ApplicationSyntaxReference, cancellationToken) ?? location;
        var given = attribute.ConstructorArguments.FirstOrDefault().Value as string;
        var group = NameRules.SnakeCase(NameRules.WithoutSuffix(method.ContainingType.Name, "Tasks"));
        var name = given ?? $"{group}.{NameRules.SnakeCase(NameRules.WithoutSuffix(method.Name, "Async"))}";
        var aliases = attribute.NamedArguments.FirstOrDefault(a => a.Key == "Aliases").Value is { Kind: TypedConstantKind.Array, IsNull: false } array
            ? array.Values.Select(v => v.Value as string ?? "").ToArray()
            : [];
        foreach (var wrong in aliases.Prepend(name).Where(n => !NameRules.IsWireName(n)))
        {
            Report(Diagnostics.InvalidName, attributeLocation, wrong);
        }

        var settings = new TaskSettings(attribute, display, (d, args) => Report(d, attributeLocation, args)).Read();
        var container = Container();
        var (kind, result) = Result();
        var parameters = Parameters();
        var schedules = new ScheduleParser(method, display, parameters, (d, at, args) => Report(d, at, args), cancellationToken).Read();
        var sent = parameters.Where(p => p.Type is not null).Select(p => p.Name).ToArray();
        var fits = problems.All(p => p.Id is not ("JOBS106" or "JOBS107" or "JOBS108" or "JOBS109" or "JOBS113")) && !HasUnknownType();
        var task = !fits ? null : new TaskModel(
            container,
            method.Name,
            NameRules.WithoutSuffix(method.Name, "Async"),
            method.IsStatic,
            kind,
            kind is (ReturnKind.Task or ReturnKind.TaskOf) && method.ReturnType.NullableAnnotation == NullableAnnotation.Annotated,
            result is null ? null : TypeParser.Parse(result),
            parameters,
            name,
            settings,
            schedules,
            Documentation.Of(method, sent, "job", cancellationToken),
            Documentation.Of(method, [.. sent.Skip(1)], "step", cancellationToken));
        var names = aliases.Prepend(name).Distinct().Select(n => new TaskNameUse(n, display, attributeLocation)).ToEquatable();
        return new(task, names, location, problems.ToEquatable());
    }

    ContainerModel Container()
    {
        var type = method.ContainingType;
        if (method.IsGenericMethod)
        {
            Report(Diagnostics.Generic, location, display);
        }

        var isClass = type.TypeKind == TypeKind.Class;
        if (method.IsStatic ? !isClass && type.TypeKind != TypeKind.Struct : type.IsAbstract || !isClass)
        {
            Report(Diagnostics.NotReachable, location, display,
                isClass ? $"{type.Name} is abstract" : $"{type.Name} is not a class",
                "Declare it in a class that can be created, or make it static");
        }

        if (method.MethodKind != MethodKind.Ordinary)
        {
            Report(Diagnostics.NotReachable, location, display, "it is not an ordinary method", "Move it to a method of a class");
        }
        else if (method.DeclaredAccessibility != Accessibility.Public)
        {
            Report(Diagnostics.NotReachable, location, display, "it is not public", "Make the method public");
        }

        var isPublic = true;
        for (var t = type; t is not null; t = t.ContainingType)
        {
            isPublic &= t.DeclaredAccessibility == Accessibility.Public;
            if (t.IsFileLocal || t.DeclaredAccessibility is not (Accessibility.Public or Accessibility.Internal or Accessibility.ProtectedOrInternal))
            {
                Report(Diagnostics.NotReachable, location, display, $"{t.Name} is not visible to the code that runs it", "Make the class public or internal");
            }

            if (t.IsGenericType && !method.IsGenericMethod)
            {
                Report(Diagnostics.Generic, location, display);
            }
        }

        var stem = NameRules.WithoutSuffix(type.Name, "Tasks");
        var full = type.ToDisplayString(SymbolDisplayFormat.FullyQualifiedFormat.WithGlobalNamespaceStyle(SymbolDisplayGlobalNamespaceStyle.Omitted));
        return new(
            type.ContainingNamespace.IsGlobalNamespace
                ? ""
                : type.ContainingNamespace.ToDisplayString(TypeParser.FullName.WithGlobalNamespaceStyle(SymbolDisplayGlobalNamespaceStyle.Omitted)),
            type.ToDisplayString(TypeParser.FullName),
            ClassName(stem, "Jobs", isNeeded: true),
            ClassName(stem, "Steps", isNeeded: method.Parameters.Any(p => Injected(p) is null)),
            full.Replace("@", "").Replace("_", "__").Replace('.', '_'),
            isPublic);
    }

    /// <summary>The name of a generated class; empty when the name is taken.</summary>
    string ClassName(string stem, string suffix, bool isNeeded)
    {
        var type = method.ContainingType;
        var name = stem + suffix;
        var other = type.ContainingNamespace.GetMembers(name).FirstOrDefault(m =>
            m is not INamedTypeSymbol t || (t.Arity == 0 && !t.IsFileLocal && !(t.IsStatic && t.DeclaringSyntaxReferences.All(IsPartial))));
        if (other is not null && isNeeded)
        {
            Report(Diagnostics.NameTaken, LocationModel.From(other.Locations.FirstOrDefault()) ?? location, name, suffix.ToLowerInvariant(), type.Name);
        }

        return other is null ? name : "";

        bool IsPartial(SyntaxReference part) =>
            part.GetSyntax(cancellationToken) is TypeDeclarationSyntax declaration && declaration.Modifiers.Any(SyntaxKind.PartialKeyword);
    }

    (ReturnKind Kind, ITypeSymbol? Type) Result()
    {
        if (method.ReturnsVoid)
        {
            if (method.IsAsync)
            {
                Report(Diagnostics.AsyncVoid, location, display);
            }

            return (ReturnKind.Void, null);
        }

        var (kind, type) = method.ReturnType switch
        {
            INamedTypeSymbol { Arity: 0 } t when TypeParser.FullNameOf(t) == "System.Threading.Tasks.Task" => (ReturnKind.Task, null),
            INamedTypeSymbol { Arity: 0 } t when TypeParser.FullNameOf(t) == "System.Threading.Tasks.ValueTask" => (ReturnKind.ValueTask, null),
            INamedTypeSymbol { Arity: 1 } t when TypeParser.FullNameOf(t) == "System.Threading.Tasks.Task" => (ReturnKind.TaskOf, t.TypeArguments[0]),
            INamedTypeSymbol { Arity: 1 } t when TypeParser.FullNameOf(t) == "System.Threading.Tasks.ValueTask" => (ReturnKind.ValueTaskOf, t.TypeArguments[0]),
            var t => (ReturnKind.Value, t),
        };
        if (type is not null && TypeCheck.Result(type) is { } wrong)
        {
            Report(Diagnostics.InvalidResult, location, display, wrong.Type, wrong.Reason, wrong.Remedy);
        }
        else if (method.RefKind != RefKind.None)
        {
            Report(Diagnostics.InvalidResult, location, display, method.ReturnType.ToDisplayString(), "returned by reference", "Return the value");
        }

        return (kind, type);
    }

    EquatableArray<ParameterModel> Parameters()
    {
        var found = new List<ParameterModel>();
        foreach (var parameter in method.Parameters)
        {
            var type = parameter.Type;
            var injected = Injected(parameter);
            if (parameter.RefKind != RefKind.None)
            {
                var passed = $"passed by '{parameter.RefKind.ToString().ToLowerInvariant()}'";
                Unsendable(parameter, new(type.ToDisplayString(), passed, "Pass the value; return what the task made"));
            }
            else if (injected is not null)
            {
                found.Add(new(parameter.Name, null, injected, null, false));
            }
            else if (TypeCheck.Parameter(type) is { } wrong)
            {
                Unsendable(parameter, wrong);
            }
            else if (type.TypeKind != TypeKind.TypeParameter)
            {
                var model = TypeParser.Parse(type);
                var @default = Default(parameter, model);
                if (model is { IsReference: true } && @default is "null")
                {
                    model = model with { IsNullable = true }; // for a parameter such as string s = null!
                }

                found.Add(new(parameter.Name, model, null, @default, parameter.IsParams)
                {
                    TypeText = type.ToDisplayString(TypeParser.ShortName),
                    IsSensitive = TypeParser.HasAttribute(parameter, "Jobs.SensitiveAttribute"),
                });
            }
        }

        return found.ToEquatable();

        void Unsendable(IParameterSymbol parameter, Unsupported why) =>
            Report(
                Diagnostics.InvalidParameter,
                LocationModel.From(parameter.Locations.FirstOrDefault()) ?? location,
                parameter.Name,
                display,
                why.Type,
                why.Reason,
                why.Remedy);
    }

    /// <summary>The C# expression for a parameter that is not sent.</summary>
    static string? Injected(IParameterSymbol parameter) =>
        TypeParser.FullNameOf(parameter.Type) switch { ContextType => "context", TokenType => "context.CancellationToken", _ => null };

    static string? Default(IParameterSymbol parameter, TypeModel type)
    {
        if (!parameter.HasExplicitDefaultValue)
        {
            return null;
        }

        return parameter.ExplicitDefaultValue switch
        {
            null => type.IsReference || type.IsNullable ? "null" : "default",
            var value when type.Kind == ValueKind.Enum => $"({type.Name})({Literal(value)})",
            var value => Literal(value),
        };
    }

    static string Literal(object value) => value switch
    {
        double.NaN => "double.NaN",
        double.PositiveInfinity => "double.PositiveInfinity",
        double.NegativeInfinity => "double.NegativeInfinity",
        float.NaN => "float.NaN",
        float.PositiveInfinity => "float.PositiveInfinity",
        float.NegativeInfinity => "float.NegativeInfinity",
        double d => d.ToString("R", CultureInfo.InvariantCulture) + "D",
        float f => f.ToString("R", CultureInfo.InvariantCulture) + "F",
        decimal m => m.ToString(CultureInfo.InvariantCulture) + "M",
        long l => l == long.MinValue ? "long.MinValue" : l.ToString(CultureInfo.InvariantCulture) + "L",
        ulong u => u.ToString(CultureInfo.InvariantCulture) + "UL",
        uint u => u.ToString(CultureInfo.InvariantCulture) + "U",
        string s => SymbolDisplay.FormatLiteral(s, quote: true),
        char c => SymbolDisplay.FormatLiteral(c, quote: true),
        bool b => b ? "true" : "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    /// <summary>Whether the method has a type that does not exist. The compiler has reported that already.</summary>
    bool HasUnknownType() =>
        method.ReturnType.TypeKind == TypeKind.Error || method.Parameters.Any(p => p.Type.TypeKind == TypeKind.Error);

    void Report(DiagnosticDescriptor descriptor, LocationModel? at, params string[] arguments)
    {
        var problem = new DiagnosticModel(descriptor.Id, at, arguments.ToEquatable());
        if (!problems.Contains(problem))
        {
            problems.Add(problem);
        }
    }
}
