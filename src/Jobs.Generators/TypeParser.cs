using Microsoft.CodeAnalysis;

namespace Jobs.Generators;

/// <summary>Decides how the values of a type are written and read.</summary>
static class TypeParser
{
    /// <summary>
    /// The name of a type as the compiler spells it: with <c>global::</c>, and with the question marks of type
    /// arguments.
    /// </summary>
    public static readonly SymbolDisplayFormat FullName = SymbolDisplayFormat.FullyQualifiedFormat
        .AddMiscellaneousOptions(SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier)
        .WithMiscellaneousOptions(SymbolDisplayMiscellaneousOptions.EscapeKeywordIdentifiers
            | SymbolDisplayMiscellaneousOptions.UseSpecialTypes | SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier);

    /// <summary>The name of a type as a reader writes it, without namespaces.</summary>
    public static readonly SymbolDisplayFormat ShortName =
        SymbolDisplayFormat.MinimallyQualifiedFormat.AddMiscellaneousOptions(SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier);

    public static TypeModel Parse(ITypeSymbol type)
    {
        if (type is INamedTypeSymbol { OriginalDefinition.SpecialType: SpecialType.System_Nullable_T } nullable)
        {
            return Parse(nullable.TypeArguments[0]) with { IsNullable = true };
        }

        var name = type.WithNullableAnnotation(NullableAnnotation.NotAnnotated).ToDisplayString(FullName);
        var model = new TypeModel(
            ScalarKind(type),
            name,
            type.IsReferenceType,
            IsNullable: type.IsReferenceType && type.NullableAnnotation == NullableAnnotation.Annotated,
            IsOblivious: type.IsReferenceType && type.NullableAnnotation == NullableAnnotation.None);
        if (model.Kind == ValueKind.Enum)
        {
            var symbol = (INamedTypeSymbol)type;
            return model with { Members = Members(symbol, name).ToEquatable(), Underlying = symbol.EnumUnderlyingType!.ToDisplayString() };
        }

        return model.Kind == ValueKind.Object && Collection(type) is var (kind, item) && item is not null
            ? model with { Kind = kind, Item = Parse(item) }
            : model;
    }

    static ValueKind ScalarKind(ITypeSymbol type) => type.SpecialType switch
    {
        SpecialType.System_Boolean => ValueKind.Boolean,
        SpecialType.System_Byte => ValueKind.Byte,
        SpecialType.System_SByte => ValueKind.SByte,
        SpecialType.System_Int16 => ValueKind.Int16,
        SpecialType.System_UInt16 => ValueKind.UInt16,
        SpecialType.System_Int32 => ValueKind.Int32,
        SpecialType.System_UInt32 => ValueKind.UInt32,
        SpecialType.System_Int64 => ValueKind.Int64,
        SpecialType.System_UInt64 => ValueKind.UInt64,
        SpecialType.System_IntPtr => ValueKind.NInt,
        SpecialType.System_UIntPtr => ValueKind.NUInt,
        SpecialType.System_Single => ValueKind.Single,
        SpecialType.System_Double => ValueKind.Double,
        SpecialType.System_Decimal => ValueKind.Decimal,
        SpecialType.System_Char => ValueKind.Char,
        SpecialType.System_String => ValueKind.String,
        SpecialType.System_DateTime => ValueKind.DateTime,
        _ when type.TypeKind == TypeKind.Enum => ValueKind.Enum,
        _ when type is IArrayTypeSymbol { Rank: 1, ElementType.SpecialType: SpecialType.System_Byte } => ValueKind.Bytes,
        _ => FullNameOf(type) switch
        {
            "System.Guid" => ValueKind.Guid,
            "System.DateTimeOffset" => ValueKind.DateTimeOffset,
            "System.DateOnly" => ValueKind.DateOnly,
            "System.TimeOnly" => ValueKind.TimeOnly,
            "System.TimeSpan" => ValueKind.TimeSpan,
            _ => ValueKind.Object,
        },
    };

    static (ValueKind Kind, ITypeSymbol? Item) Collection(ITypeSymbol type)
    {
        if (type is IArrayTypeSymbol { Rank: 1 } array)
        {
            return (ValueKind.Array, array.ElementType);
        }

        if (type is not INamedTypeSymbol { IsGenericType: true } named)
        {
            return (ValueKind.Object, null);
        }

        var arguments = named.TypeArguments;
        return FullNameOf(named) switch
        {
            "System.Collections.Generic.List" or "System.Collections.Generic.IList" or "System.Collections.Generic.IReadOnlyList"
                or "System.Collections.Generic.IEnumerable" or "System.Collections.Generic.ICollection"
                or "System.Collections.Generic.IReadOnlyCollection" => (ValueKind.List, arguments[0]),
            "System.Collections.Generic.HashSet" or "System.Collections.Generic.ISet" or "System.Collections.Generic.IReadOnlySet" =>
                (ValueKind.Set, arguments[0]),
            "System.Collections.Immutable.ImmutableArray" => (ValueKind.ImmutableArray, arguments[0]),
            "System.Collections.Generic.Dictionary" or "System.Collections.Generic.IDictionary" or "System.Collections.Generic.IReadOnlyDictionary"
                when arguments[0] is { SpecialType: SpecialType.System_String, NullableAnnotation: not NullableAnnotation.Annotated } =>
                    (ValueKind.Map, arguments[1]),
            _ => (ValueKind.Object, null),
        };
    }

    static IEnumerable<EnumMember> Members(INamedTypeSymbol type, string name)
    {
        var values = new HashSet<object>();
        foreach (var field in type.GetMembers().OfType<IFieldSymbol>().Where(f => f.HasConstantValue))
        {
            // Generated code cannot name a member with [Obsolete(error: true)], but it can use the value of the member.
            var expression = HasAttribute(field, "System.ObsoleteAttribute")
                ? $"({name})({Convert.ToString(field.ConstantValue, System.Globalization.CultureInfo.InvariantCulture)})"
                : $"{name}.{NameRules.Escape(field.Name)}";
            yield return new(field.Name, expression, values.Add(field.ConstantValue!));
        }
    }

    public static bool Is(ITypeSymbol type, string fullName)
    {
        for (ITypeSymbol? t = type; t is not null; t = t.BaseType)
        {
            if (FullNameOf(t) == fullName)
            {
                return true;
            }
        }

        return false;
    }

    public static bool HasAttribute(ISymbol symbol, string fullName) =>
        symbol.GetAttributes().Any(a => a.AttributeClass is { } type && FullNameOf(type).StartsWith(fullName, StringComparison.Ordinal));

    /// <summary>The namespace and the name of a type, without type arguments.</summary>
    public static string FullNameOf(ITypeSymbol type) =>
        type.ContainingNamespace is { IsGlobalNamespace: false } space && type.ContainingType is null ? $"{space.ToDisplayString()}.{type.Name}" : type.Name;
}
