namespace Jobs.Generators;

/// <summary>How a value is written and read.</summary>
enum ValueKind
{
    Boolean,
    Byte, SByte, Int16, UInt16, Int32, UInt32, Int64, UInt64, NInt, NUInt, Single, Double, Decimal, // Byte to Decimal are the numbers
    Char, String, Guid, DateTime, DateTimeOffset, DateOnly, TimeOnly, TimeSpan, Bytes, Enum,
    Array, List, Set, ImmutableArray, Map,

    /// <summary>Anything else: System.Text.Json does it.</summary>
    Object,
}

/// <summary>A type that can cross the wire.</summary>
/// <param name="Kind">How its values are written and read.</param>
/// <param name="Name">Fully qualified; without the question mark.</param>
/// <param name="IsReference">Whether it is a reference type.</param>
/// <param name="IsNullable"><c>T?</c> of a value type, or a reference type annotated <c>?</c>.</param>
/// <param name="IsOblivious">A reference type from code without nullable annotations: takes null, as nobody said that it does not.</param>
/// <param name="Item">The item of a collection, or the value of a map.</param>
/// <param name="Members">The members of an enum.</param>
/// <param name="Underlying">The integer type behind an enum.</param>
sealed record TypeModel(
    ValueKind Kind,
    string Name,
    bool IsReference,
    bool IsNullable = false,
    bool IsOblivious = false,
    TypeModel? Item = null,
    EquatableArray<EnumMember> Members = default,
    string? Underlying = null)
{
    public bool AcceptsNull => IsNullable || IsOblivious;

    /// <summary>How a variable of it is declared.</summary>
    public string Declared => AcceptsNull ? Name + "?" : Name;

    /// <summary>How the type argument of another type spells it: in code without nullable annotations it has no question mark.</summary>
    public string Spelled => IsNullable ? Name + "?" : Name;
}

/// <param name="Name">As written on the wire.</param>
/// <param name="Expression">As written in C#.</param>
/// <param name="IsFirstOfValue">Whether it is the name that its value is written as.</param>
sealed record EnumMember(string Name, string Expression, bool IsFirstOfValue);
