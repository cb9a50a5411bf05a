using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Jobs.Generators;

/// <summary>Why values of a type cannot be sent, and what to do instead.</summary>
sealed record Unsupported(string Type, string Reason, string Remedy);

/// <summary>
/// Finds types whose values would not arrive as they were sent. Looks at a type, its items, and the members of records
/// and classes at any depth.
/// </summary>
/// <remarks>
/// The serializer drops members that it cannot keep, without a word: fields, properties that nobody can set, the
/// elements of a tuple. Each such member is an error here. This class does not check a type with a
/// <c>[JsonConverter]</c> or a member with <c>[JsonIgnore]</c>: their author has said how they travel.
/// </remarks>
sealed class TypeCheck
{
    const string Record = "Use a record of plain values";
    const string Json = "System.Text.Json.Serialization.";
    const int MaxDepth = 64;

    readonly HashSet<ITypeSymbol> seen = new(SymbolEqualityComparer.Default);
    readonly bool isResult;

    TypeCheck(bool isResult) => this.isResult = isResult;

    /// <summary>The first problem of a parameter's type, or <see langword="null"/>.</summary>
    public static Unsupported? Parameter(ITypeSymbol type) => new TypeCheck(isResult: false).Find(type, null, 0);

    /// <summary>
    /// The first problem of a result's type, or <see langword="null"/>. A lazy sequence is a problem too: its code runs
    /// only when somebody asks for its items, and nobody may ask.
    /// </summary>
    public static Unsupported? Result(ITypeSymbol type) => new TypeCheck(isResult: true).Find(type, null, 0);

    Unsupported? Find(ITypeSymbol type, string? member, int depth)
    {
        if (depth > MaxDepth)
        {
            return new(type.ToDisplayString(), "nested in itself without end", Record);
        }

        if (Itself(type, member) is var (reason, remedy) && reason is not null)
        {
            return new(member is null ? type.ToDisplayString() : $"{member} ({type.ToDisplayString()})", reason, remedy!);
        }

        if (!seen.Add(type))
        {
            return null;
        }

        return type switch
        {
            IArrayTypeSymbol array => Find(array.ElementType, member, depth + 1),
            INamedTypeSymbol named => Inside(named, member, depth + 1),
            _ => null,
        };
    }

    (string? Reason, string? Remedy) Itself(ITypeSymbol type, string? member) => type switch
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
        _ when member is not null && FullNameOf(type) == "System.Collections.Generic.IReadOnlySet" =>
            ("a set that JSON cannot make again inside of another type", "Use a HashSet or an ISet"),
        INamedTypeSymbol named when Collections.Problem(named) is { } problem => problem,
        { TypeKind: TypeKind.Interface } when !Collections.Is(type) && !HasJsonType(type) =>
            ("an interface", "Take a service through the constructor of the class; for data use a record, or put [JsonPolymorphic] and "
                + "[JsonDerivedType] on the interface"),
        { TypeKind: TypeKind.Class, IsAbstract: true } when !HasJsonType(type) =>
            ("an abstract class", "Use a concrete class, or put [JsonPolymorphic] and [JsonDerivedType] on it"),
        _ => (null, null),
    };

    /// <summary>
    /// The first problem inside a type: in the items of a collection, the derived types of a polymorphic type, or the
    /// members of a class.
    /// </summary>
    Unsupported? Inside(INamedTypeSymbol type, string? member, int depth)
    {
        if (HasConverter(type))
        {
            return null;
        }

        if (Plain.Is(type) || Collections.Is(type))
        {
            return type.TypeArguments.Concat(Collections.Items(type)).Select(item => Find(item, member, depth)).FirstOrDefault(u => u is not null);
        }

        foreach (var derived in type.GetAttributes().Where(a => a.AttributeClass is { } c && FullNameOf(c) == Json + "JsonDerivedTypeAttribute"))
        {
            if (derived.ConstructorArguments.FirstOrDefault().Value is ITypeSymbol sub && Find(sub, member, depth) is { } wrong)
            {
                return wrong;
            }
        }

        return type.TypeKind is TypeKind.Class or TypeKind.Struct && !type.IsAbstract ? Members(type, depth) : null;
    }

    Unsupported? Members(INamedTypeSymbol type, int depth)
    {
        var constructor = Constructor(type, out var problem);
        if (problem is not null)
        {
            return new(type.ToDisplayString(), problem, "Give it one public constructor, or mark one with [JsonConstructor]");
        }

        var all = Instance(type);
        var kept = all.Where(m => m.DeclaredAccessibility == Accessibility.Public || HasAttribute(m, Json + "JsonIncludeAttribute")).ToArray();
        foreach (var parameter in constructor?.Parameters ?? [])
        {
            if (!kept.Any(m => Gives(m, parameter)))
            {
                return new(
                    type.ToDisplayString(),
                    $"made with '{parameter.Name}', which is none of its public members, or of another type",
                    "Name the parameter as the property that it sets");
            }
        }

        var sent = kept.Where(m => !IsIgnored(m)).ToArray();
        return Nothing(type, constructor, all, sent)
            ?? kept.Select(m => LeftOut(m, constructor)).FirstOrDefault(u => u is not null)
            ?? all.Except(kept).Select(Hidden).FirstOrDefault(u => u is not null)
            ?? sent.Select(m => Member(m, constructor, depth)).FirstOrDefault(u => u is not null);
    }

    /// <summary>
    /// The fields and properties of a type and its bases. Where a derived type declares a name again, the member of the
    /// derived type.
    /// </summary>
    static List<ISymbol> Instance(INamedTypeSymbol type)
    {
        var members = new List<ISymbol>();
        for (var t = type; t is { SpecialType: not (SpecialType.System_Object or SpecialType.System_ValueType) }; t = t.BaseType)
        {
            var names = new HashSet<string>(members.Select(m => m.Name), StringComparer.Ordinal);
            members.AddRange(t.GetMembers().Where(m => !names.Contains(m.Name)
                && m is { IsStatic: false } and (IFieldSymbol { IsImplicitlyDeclared: false } or IPropertySymbol { IsIndexer: false })));
        }

        return members;
    }

    /// <summary>The problem of a type whose state JSON cannot see, or cannot set.</summary>
    static Unsupported? Nothing(INamedTypeSymbol type, IMethodSymbol? constructor, List<ISymbol> all, ISymbol[] sent)
    {
        var isSource = type.DeclaringSyntaxReferences.Length == 1; // another generator may add to a partial type
        var nothingKept = isSource && sent.Length == 0 && all.Any(m => m is IFieldSymbol);
        var nothingSet = IsSystem(type) && constructor is null && sent.Length > 0
            && !sent.Any(m => m is IFieldSymbol or IPropertySymbol { SetMethod.DeclaredAccessibility: Accessibility.Public });
        return nothingKept || nothingSet ? new(type.ToDisplayString(), "a type of which JSON can set nothing", Record) : null;
    }

    /// <summary>The problem of a member that <c>[JsonIgnore]</c> leaves out, although the reader needs it.</summary>
    static Unsupported? LeftOut(ISymbol member, IMethodSymbol? constructor)
    {
        var parameter = constructor?.Parameters.FirstOrDefault(p => Gives(member, p));
        var isNeeded = parameter is { HasExplicitDefaultValue: false } || member is IPropertySymbol { IsRequired: true } or IFieldSymbol { IsRequired: true };
        return isNeeded && IgnoreCondition(member) is 1 or 2 or 3 or 4
            ? new(
                Name(member),
                "left out by [JsonIgnore], and needed to make its type again",
                "Give its constructor parameter a default, or leave out 'required'")
            : null;
    }

    /// <summary>
    /// The problem of an internal property: the program may set it, and JSON would drop its value. A private property
    /// is no problem, because nobody expects to send it.
    /// </summary>
    static Unsupported? Hidden(ISymbol member) =>
        member is IPropertySymbol { SetMethod: not null, DeclaredAccessibility: Accessibility.Internal or Accessibility.ProtectedOrInternal }
        && IgnoreCondition(member) is null
            ? new(Name(member), "a property that is not public, which JSON does not keep", "Make it public, or mark it with [JsonInclude] or [JsonIgnore]")
            : null;

    Unsupported? Member(ISymbol member, IMethodSymbol? constructor, int depth)
    {
        var isIncluded = HasAttribute(member, Json + "JsonIncludeAttribute");
        var isGiven = constructor?.Parameters.Any(p => Gives(member, p)) == true;
        var (isReadable, isSettable) = member is IPropertySymbol { GetMethod: var get, SetMethod: var set }
            ? (get is { DeclaredAccessibility: Accessibility.Public }, set is { DeclaredAccessibility: Accessibility.Public })
            : (true, true);
        switch (member)
        {
            case IFieldSymbol when !isIncluded:
                return new(Name(member), "a field, which JSON does not keep", "Make it a property, or mark it with [JsonInclude]");
            case IPropertySymbol when isSettable && !isReadable && !isIncluded:
                return new(Name(member), "a property that cannot be read, and so is not written", "Give it a public get");
            case IPropertySymbol property when !isSettable && !isGiven && !isIncluded && !IsFilled(property):
                return !IsStored(property) ? null // computed
                    : new(
                        Name(member),
                        "a property that is written and cannot be read back",
                        "Give it a public set or init, or a constructor parameter of its name");
            default:
                return HasConverter(member) ? null : Find(TypeOf(member), $"{member.ContainingType.ToDisplayString()}.{member.Name}", depth);
        }
    }

    /// <summary>
    /// The constructor that the serializer calls; <see langword="null"/> for the constructor without parameters.
    /// </summary>
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

        // We cannot see constructors of another assembly that are not public, and one of them may have
        // [JsonConstructor].
        problem = open.Length switch
        {
            0 when IsInSource(type) || IsSystem(type) => "a class without a public constructor",
            0 or 1 => null,
            _ => "a class with several constructors, of which JSON does not know which to call",
        };
        return problem is null && open.Length == 1 ? open[0] : null;
    }

    /// <summary>
    /// Whether the property has a field behind it. This may be a field of the compiler; in another assembly, an
    /// attribute of the getter shows that. Or it is a field that the getter returns as it is.
    /// </summary>
    static bool IsStored(IPropertySymbol property) =>
        property.SetMethod is not null
        || property.ContainingType.GetMembers().OfType<IFieldSymbol>().Any(f => SymbolEqualityComparer.Default.Equals(f.AssociatedSymbol, property))
        || (property.GetMethod is { } get && HasAttribute(get, "System.Runtime.CompilerServices.CompilerGeneratedAttribute"))
        || property.DeclaringSyntaxReferences.Select(r => r.GetSyntax()).OfType<PropertyDeclarationSyntax>().Any(p => ReturnsField(p, property.ContainingType));

    static bool ReturnsField(PropertyDeclarationSyntax property, INamedTypeSymbol type)
    {
        var get = property.AccessorList?.Accessors.FirstOrDefault(a => a.IsKind(SyntaxKind.GetAccessorDeclaration));
        var returned = property.ExpressionBody?.Expression
            ?? get?.ExpressionBody?.Expression
            ?? (get?.Body?.Statements.FirstOrDefault() as ReturnStatementSyntax)?.Expression;
        return returned is IdentifierNameSyntax { Identifier.ValueText: var name } && type.GetMembers(name).Any(m => m is IFieldSymbol { IsStatic: false });
    }

    /// <summary>Whether the serializer fills the object that the property already has.</summary>
    static bool IsFilled(IPropertySymbol property) =>
        property.Type.IsReferenceType
        && property.GetAttributes().Concat(property.ContainingType.GetAttributes()).Any(a =>
            a.AttributeClass is { } type && FullNameOf(type) == Json + "JsonObjectCreationHandlingAttribute"
            && a.ConstructorArguments.FirstOrDefault().Value is 1);

    /// <summary>
    /// Whether the member gives the parameter its value. The serializer matches the two by name without regard to case,
    /// and by type.
    /// </summary>
    static bool Gives(ISymbol member, IParameterSymbol parameter) =>
        string.Equals(member.Name, parameter.Name, StringComparison.OrdinalIgnoreCase) && SymbolEqualityComparer.Default.Equals(TypeOf(member), parameter.Type);

    static ITypeSymbol TypeOf(ISymbol member) => member is IPropertySymbol property ? property.Type : ((IFieldSymbol)member).Type;

    static string Name(ISymbol member) => $"{member.ContainingType.ToDisplayString()}.{member.Name} ({TypeOf(member).ToDisplayString()})";

    static bool IsInSource(ISymbol symbol) => symbol.Locations.Any(l => l.IsInSource);

    static bool IsSystem(ITypeSymbol type) =>
        type.ContainingNamespace?.ToDisplayString() is { } space && (space == "System" || space.StartsWith("System.", StringComparison.Ordinal));

    static bool IsIgnored(ISymbol member) => IgnoreCondition(member) == 1 || HasAttribute(member, Json + "JsonExtensionDataAttribute");

    /// <summary>
    /// The member's <c>JsonIgnoreCondition</c> as a number: 0 never, 1 always, 5 when the member is read.
    /// </summary>
    static int? IgnoreCondition(ISymbol member) =>
        member.GetAttributes().FirstOrDefault(a => a.AttributeClass is { } type && FullNameOf(type) == Json + "JsonIgnoreAttribute") is not { } ignore ? null
        : ignore.NamedArguments.Length == 0 ? 1 : ignore.NamedArguments[0].Value.Value as int?;

    /// <summary>
    /// Whether the symbol has a <c>[JsonConverter]</c>, or an attribute of the application that derives from it.
    /// </summary>
    static bool HasConverter(ISymbol symbol) => symbol.GetAttributes().Any(a => a.AttributeClass is { } type && Is(type, Json + "JsonConverterAttribute"));

    static bool HasJsonType(ITypeSymbol type) =>
        HasAttribute(type, Json + "JsonPolymorphicAttribute")
        || HasAttribute(type, Json + "JsonDerivedTypeAttribute")
        || HasConverter(type)
        || type.ContainingNamespace?.ToDisplayString() == "System.Text.Json.Nodes";

    static bool Is(ITypeSymbol type, string fullName) => TypeParser.Is(type, fullName);

    static bool HasAttribute(ISymbol symbol, string fullName) => TypeParser.HasAttribute(symbol, fullName);

    static string FullNameOf(ITypeSymbol type) => TypeParser.FullNameOf(type);

    /// <summary>Types that the serializer knows as one value.</summary>
    static class Plain
    {
        public static bool Is(INamedTypeSymbol type) =>
            type.SpecialType != SpecialType.None || type.TypeKind == TypeKind.Enum
            || FullNameOf(type) is "System.Guid" or "System.DateTimeOffset" or "System.DateOnly" or "System.TimeOnly" or "System.TimeSpan" or "System.Uri"
                or "System.Version" or "System.Half" or "System.Int128" or "System.UInt128" or "System.Nullable" or "System.Collections.Generic.KeyValuePair"
                or "System.Memory" or "System.ReadOnlyMemory"
            || type.ContainingNamespace?.ToDisplayString() is "System.Text.Json" or "System.Text.Json.Nodes";
    }

    /// <summary>Collections, as the serializer sees them.</summary>
    static class Collections
    {
        // Collections that the serializer writes and reads, besides the user's own: names by namespace.
        static readonly Dictionary<string, string[]> both = new(StringComparer.Ordinal)
        {
            ["System.Collections.Generic"] =
            [
                "List", "HashSet", "Dictionary", "LinkedList", "Queue", "SortedSet", "SortedDictionary", "SortedList", "OrderedDictionary",
                "IEnumerable", "ICollection", "IList", "IReadOnlyCollection", "IReadOnlyList", "ISet", "IReadOnlySet", "IDictionary", "IReadOnlyDictionary",
            ],
            ["System.Collections.ObjectModel"] = ["Collection", "ObservableCollection", "KeyedCollection"],
            ["System.ComponentModel"] = ["BindingList"],
            ["System.Collections.Concurrent"] = ["ConcurrentDictionary", "ConcurrentQueue"],
            ["System.Collections.Immutable"] =
            [
                "ImmutableArray", "ImmutableList", "ImmutableHashSet", "ImmutableSortedSet", "ImmutableQueue", "ImmutableDictionary",
                "ImmutableSortedDictionary", "IImmutableList", "IImmutableSet", "IImmutableQueue", "IImmutableDictionary",
            ],
        };

        public static bool Is(ITypeSymbol type) => type.SpecialType != SpecialType.System_String
            && !HasConverter(type)
            && type.ContainingNamespace?.ToDisplayString() is not ("System.Text.Json" or "System.Text.Json.Nodes")
            && type.AllInterfaces.Append(type).Any(i => i.SpecialType == SpecialType.System_Collections_IEnumerable);

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

            if (IsSystem(type) || type.TypeKind == TypeKind.Interface)
            {
                return ("a collection that JSON does not make again as it was", "Use an array, a list, a set or a dictionary");
            }

            var canBeMade = type.TypeKind != TypeKind.Class || type.IsAbstract
                || type.InstanceConstructors.Any(c => c.DeclaredAccessibility == Accessibility.Public && c.Parameters.Length == 0);
            if (!canBeMade || !Items(type).Any())
            {
                return (
                    "a collection that JSON cannot make again: nothing can be added to it, or it has no public constructor without parameters",
                    "Use an array, a list, a set or a dictionary");
            }

            var extra = Own(type).FirstOrDefault(m => m is { IsStatic: false, DeclaredAccessibility: Accessibility.Public } && !IsIgnored(m)
                && m is IFieldSymbol or IPropertySymbol { IsIndexer: false, SetMethod: not null });
            return extra is null
                ? null
                : ($"a collection with a property '{extra.Name}', of which JSON keeps the items only", "Use a record with a list in it");
        }

        static IEnumerable<ISymbol> Own(INamedTypeSymbol? type) => type is null || IsSystem(type) ? [] : type.GetMembers().Concat(Own(type.BaseType));

        /// <summary>The types of the items that can be added to a collection.</summary>
        public static IEnumerable<ITypeSymbol> Items(INamedTypeSymbol type) =>
            type.AllInterfaces.Where(i => FullNameOf(i) is "System.Collections.Generic.ICollection").SelectMany(i => i.TypeArguments);
    }
}
