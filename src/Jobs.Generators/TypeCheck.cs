using Microsoft.CodeAnalysis;

namespace Jobs.Generators;

/// <summary>Why a type cannot cross the wire, and what to do instead.</summary>
sealed record Unsupported(string Type, string Reason, string Remedy);

/// <summary>Finds what would not arrive as it was sent: in a type, its items and type arguments, and in the members of records and classes at any depth.</summary>
/// <remarks>
/// The serializer passes over what it cannot keep, without a word: fields, properties that nobody can set, the elements of a tuple. Each such member is an error here.
/// A type with a <c>[JsonConverter]</c> is its author's to answer for, and so is a member with <c>[JsonIgnore]</c>.
/// </remarks>
sealed class TypeCheck
{
    const string Record = "Use a record of plain values";
    const string Json = "System.Text.Json.Serialization.";

    readonly HashSet<ITypeSymbol> seen = new(SymbolEqualityComparer.Default);
    readonly bool isResult;

    TypeCheck(bool isResult) => this.isResult = isResult;

    /// <summary>The first thing that would not arrive.</summary>
    public static Unsupported? Parameter(ITypeSymbol type) => new TypeCheck(isResult: false).Find(type, null);

    /// <summary>The first thing that would not arrive; and a sequence that runs when somebody asks for its items, because nobody may.</summary>
    public static Unsupported? Result(ITypeSymbol type) => new TypeCheck(isResult: true).Find(type, null);

    Unsupported? Find(ITypeSymbol type, string? member)
    {
        if (Itself(type) is var (reason, remedy) && reason is not null)
        {
            return new(member is null ? type.ToDisplayString() : $"{member} ({type.ToDisplayString()})", reason, remedy!);
        }

        if (!seen.Add(type))
        {
            return null;
        }

        return type switch
        {
            IArrayTypeSymbol array => Find(array.ElementType, member),
            INamedTypeSymbol named => named.TypeArguments.Select(t => Find(t, member)).FirstOrDefault(u => u is not null) ?? Inside(named, member),
            _ => null,
        };
    }

    (string? Reason, string? Remedy) Itself(ITypeSymbol type) => type switch
    {
        { TypeKind: TypeKind.Delegate } => ("a delegate", "Send the data, and call the code in the task"),
        { TypeKind: TypeKind.Pointer or TypeKind.FunctionPointer } => ("a pointer", "Send the value"),
        { TypeKind: TypeKind.Dynamic } => ("dynamic", "Name the type, or take a System.Text.Json.JsonElement"),
        { IsRefLikeType: true } => ("a ref struct", "Use an array or a string"),
        IArrayTypeSymbol { Rank: > 1 } => ("an array of several dimensions", "Use an array of arrays"),
        INamedTypeSymbol { IsTupleType: true } => ("a tuple, of which JSON keeps no field", Record),
        _ when Is(type, "System.IO.Stream") => ("a stream", "Send a byte[] or, when it is large, the place where it is stored"),
        _ when Is(type, "System.Reflection.MemberInfo") || Is(type, "System.Reflection.Assembly") || Is(type, "System.Linq.Expressions.Expression") =>
            ("part of this program", "Send a name, and look it up in the task"),
        _ when Is(type, "System.Threading.CancellationTokenSource") || Is(type, "System.Threading.CancellationToken") =>
            ("a cancellation signal", "Take one CancellationToken parameter of the method: it is given by the worker"),
        _ when Is(type, "System.Threading.Tasks.Task") || FullNameOf(type).StartsWith("System.Threading.Tasks.ValueTask", StringComparison.Ordinal) =>
            ("a running operation", "Await it, and send its value"),
        _ when Is(type, "System.Exception") => ("an exception", "Send its message"),
        _ when isResult && FullNameOf(type) is "System.Collections.Generic.IEnumerable" or "System.Collections.IEnumerable" =>
            ("a sequence whose code runs when its items are asked for, and nobody may ask", "Return an array or a list"),
        INamedTypeSymbol named when Collections.Problem(named) is { } problem => problem,
        { TypeKind: TypeKind.Interface } when !Collections.Is(type) && !HasJsonType(type) =>
            ("an interface", "Take a service through the constructor of the class; for data use a record, or put [JsonPolymorphic] and [JsonDerivedType] on the interface"),
        { TypeKind: TypeKind.Class, IsAbstract: true } when !HasJsonType(type) =>
            ("an abstract class", "Use a concrete class, or put [JsonPolymorphic] and [JsonDerivedType] on it"),
        _ => (null, null),
    };

    /// <summary>The items of a collection of the user's own, the derived types of a polymorphic one, or the members of a class.</summary>
    Unsupported? Inside(INamedTypeSymbol type, string? member)
    {
        if (HasAttribute(type, Json + "JsonConverterAttribute") || Plain.Is(type))
        {
            return null;
        }

        if (Collections.Is(type))
        {
            return Collections.Items(type).Select(item => Find(item, member)).FirstOrDefault(u => u is not null);
        }

        foreach (var derived in type.GetAttributes().Where(a => a.AttributeClass is { } c && FullNameOf(c) == Json + "JsonDerivedTypeAttribute"))
        {
            if (derived.ConstructorArguments.FirstOrDefault().Value is ITypeSymbol sub && Find(sub, member) is { } wrong)
            {
                return wrong;
            }
        }

        return type.TypeKind is TypeKind.Class or TypeKind.Struct && !type.IsAbstract ? Members(type) : null;
    }

    Unsupported? Members(INamedTypeSymbol type)
    {
        var constructor = Constructor(type, out var problem);
        if (problem is not null)
        {
            return new(type.ToDisplayString(), problem, "Give it one public constructor, or mark one with [JsonConstructor]");
        }

        var members = new List<ISymbol>();
        for (var t = type; t is { SpecialType: not (SpecialType.System_Object or SpecialType.System_ValueType) }; t = t.BaseType)
        {
            members.AddRange(t.GetMembers().Where(m => m is { IsStatic: false } and (IFieldSymbol { IsImplicitlyDeclared: false } or IPropertySymbol { IsIndexer: false })));
        }

        var kept = members.Where(m => m.DeclaredAccessibility == Accessibility.Public || HasAttribute(m, Json + "JsonIncludeAttribute")).ToArray();
        foreach (var parameter in constructor?.Parameters ?? [])
        {
            if (!kept.Any(m => SameName(m, parameter)))
            {
                return new(
                    $"{type.ToDisplayString()}", $"made with '{parameter.Name}', which is none of its public members", "Name the parameter as the property that it sets");
            }
        }

        if (constructor is null && kept.Length > 0 && !type.Locations.Any(l => l.IsInSource) && !kept.Any(m => m is IFieldSymbol or IPropertySymbol { SetMethod.DeclaredAccessibility: Accessibility.Public }))
        {
            return new(type.ToDisplayString(), "a type of which JSON can set nothing", Record);
        }

        return kept.Where(m => !IsIgnored(m)).Select(m => Member(m, constructor)).FirstOrDefault(u => u is not null);
    }

    Unsupported? Member(ISymbol member, IMethodSymbol? constructor)
    {
        var name = $"{member.ContainingType.ToDisplayString()}.{member.Name}";
        var isGiven = constructor?.Parameters.Any(p => SameName(member, p)) == true;
        var isIncluded = HasAttribute(member, Json + "JsonIncludeAttribute");
        switch (member)
        {
            case IFieldSymbol field when !isIncluded:
                return new($"{name} ({field.Type.ToDisplayString()})", "a field, which JSON does not keep", "Make it a property, or mark it with [JsonInclude]");
            case IPropertySymbol property when !isGiven && !isIncluded && property.SetMethod is not { DeclaredAccessibility: Accessibility.Public } && IsStored(property):
                return new($"{name} ({property.Type.ToDisplayString()})", "a property that is written and cannot be read back", "Give it a public set or init, or a constructor parameter of its name");
            case IPropertySymbol { SetMethod: null } when !isGiven:
                return null; // computed
            case IPropertySymbol property:
                return HasAttribute(member, Json + "JsonConverterAttribute") ? null : Find(property.Type, name);
            default:
                return HasAttribute(member, Json + "JsonConverterAttribute") ? null : Find(((IFieldSymbol)member).Type, name);
        }
    }

    /// <summary>The one that the serializer calls; <see langword="null"/> for the one without parameters.</summary>
    static IMethodSymbol? Constructor(INamedTypeSymbol type, out string? problem)
    {
        problem = null;
        var marked = type.InstanceConstructors.FirstOrDefault(c => HasAttribute(c, Json + "JsonConstructorAttribute"));
        var open = type.InstanceConstructors.Where(c => c.DeclaredAccessibility == Accessibility.Public).ToArray();
        if (marked is not null)
        {
            return marked;
        }

        if (type.TypeKind == TypeKind.Struct || open.Any(c => c.Parameters.Length == 0))
        {
            return null;
        }

        problem = open.Length switch
        {
            0 => "a class without a public constructor",
            1 => null,
            _ => "a class with several constructors, of which JSON does not know which to call",
        };
        return problem is null ? open[0] : null;
    }

    /// <summary>Whether the property has a field behind it. That of a type in another assembly is not seen: then it passes.</summary>
    static bool IsStored(IPropertySymbol property) =>
        property.SetMethod is not null || property.ContainingType.GetMembers().OfType<IFieldSymbol>().Any(f => SymbolEqualityComparer.Default.Equals(f.AssociatedSymbol, property));

    static bool SameName(ISymbol member, IParameterSymbol parameter) => string.Equals(member.Name, parameter.Name, StringComparison.OrdinalIgnoreCase);

    static bool IsIgnored(ISymbol member) => member.GetAttributes().Any(a =>
        a.AttributeClass is { } type
        && (FullNameOf(type) == Json + "JsonExtensionDataAttribute"
            || (FullNameOf(type) == Json + "JsonIgnoreAttribute" && (a.NamedArguments.Length == 0 || a.NamedArguments[0].Value.Value is 1))));

    static bool HasJsonType(ITypeSymbol type) =>
        HasAttribute(type, Json + "JsonPolymorphicAttribute")
        || HasAttribute(type, Json + "JsonDerivedTypeAttribute")
        || HasAttribute(type, Json + "JsonConverterAttribute")
        || type.ContainingNamespace?.ToDisplayString() == "System.Text.Json.Nodes";

    static bool Is(ITypeSymbol type, string fullName) => TypeParser.Is(type, fullName);

    static bool HasAttribute(ISymbol symbol, string fullName) => TypeParser.HasAttribute(symbol, fullName);

    static string FullNameOf(ITypeSymbol type) => TypeParser.FullNameOf(type);

    /// <summary>Types that the serializer knows as one value.</summary>
    static class Plain
    {
        public static bool Is(INamedTypeSymbol type) =>
            type.SpecialType != SpecialType.None || type.TypeKind == TypeKind.Enum
            || FullNameOf(type) is "System.Guid" or "System.DateTimeOffset" or "System.DateOnly" or "System.TimeOnly" or "System.TimeSpan" or "System.Uri" or "System.Version"
                or "System.Half" or "System.Int128" or "System.UInt128" or "System.Nullable" or "System.Collections.Generic.KeyValuePair"
            || type.ContainingNamespace?.ToDisplayString() is "System.Text.Json" or "System.Text.Json.Nodes";
    }

    /// <summary>Collections, as the serializer sees them.</summary>
    static class Collections
    {
        // What it writes and reads, besides the user's own collections: namespace, and the names in it.
        static readonly Dictionary<string, string[]> both = new(StringComparer.Ordinal)
        {
            ["System.Collections.Generic"] =
            [
                "List", "HashSet", "Dictionary", "LinkedList", "Queue", "SortedSet", "SortedDictionary", "SortedList",
                "IEnumerable", "ICollection", "IList", "IReadOnlyCollection", "IReadOnlyList", "ISet", "IReadOnlySet", "IDictionary", "IReadOnlyDictionary",
            ],
            ["System.Collections.ObjectModel"] = ["Collection", "ObservableCollection", "KeyedCollection"],
            ["System.Collections.Concurrent"] = ["ConcurrentDictionary", "ConcurrentQueue"],
            ["System.Collections.Immutable"] =
            [
                "ImmutableArray", "ImmutableList", "ImmutableHashSet", "ImmutableSortedSet", "ImmutableQueue", "ImmutableDictionary", "ImmutableSortedDictionary",
                "IImmutableList", "IImmutableSet", "IImmutableQueue", "IImmutableDictionary",
            ],
        };

        public static bool Is(ITypeSymbol type) => type.SpecialType != SpecialType.System_String
            && !HasAttribute(type, Json + "JsonConverterAttribute")
            && type.ContainingNamespace?.ToDisplayString() is not ("System.Text.Json" or "System.Text.Json.Nodes")
            && (type.SpecialType == SpecialType.System_Collections_IEnumerable || type.AllInterfaces.Any(i => i.SpecialType == SpecialType.System_Collections_IEnumerable));

        public static (string?, string?)? Problem(INamedTypeSymbol type)
        {
            var space = type.ContainingNamespace?.ToDisplayString() ?? "";
            if (!Is(type) || (both.TryGetValue(space, out var names) && names.Contains(type.Name)))
            {
                return null;
            }

            if (type.Name is "Stack" or "ConcurrentStack" or "ImmutableStack" or "IImmutableStack" && space.StartsWith("System.", StringComparison.Ordinal))
            {
                return ("a stack, which JSON turns upside down", "Use a list");
            }

            if (space == "System" || space.StartsWith("System.", StringComparison.Ordinal) || type.TypeKind == TypeKind.Interface)
            {
                return ("a collection that JSON does not make again as it was", "Use an array, a list, a set or a dictionary");
            }

            if (!Items(type).Any() || (type.TypeKind == TypeKind.Class && !type.IsAbstract && !type.InstanceConstructors.Any(c => c.DeclaredAccessibility == Accessibility.Public && c.Parameters.Length == 0)))
            {
                return ("a collection that JSON cannot make again: nothing can be added to it, or it has no public constructor without parameters", "Use an array, a list, a set or a dictionary");
            }

            var extra = type.GetMembers().OfType<IPropertySymbol>().FirstOrDefault(p => p is { IsStatic: false, IsIndexer: false, DeclaredAccessibility: Accessibility.Public, SetMethod: not null });
            return extra is null ? null : ($"a collection with a property '{extra.Name}', of which JSON keeps the items only", "Use a record with a list in it");
        }

        /// <summary>What can be added to it.</summary>
        public static IEnumerable<ITypeSymbol> Items(INamedTypeSymbol type) =>
            type.AllInterfaces.Where(i => FullNameOf(i) is "System.Collections.Generic.ICollection").SelectMany(i => i.TypeArguments);
    }
}
