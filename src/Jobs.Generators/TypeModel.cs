namespace Jobs.Generators;

/// <summary>How a value is written and read.</summary>
enum ValueKind
{
    Boolean,
    Byte, SByte, Int16, UInt16, Int32, UInt32, Int64, UInt64, NInt, NUInt, Single, Double, Decimal, // the numbers
    Char, String, Guid, DateTime, DateTimeOffset, DateOnly, TimeOnly, TimeSpan, Bytes, Enum,
    Array, List, Set, ImmutableArray, Map,

    /// <summary>Any other type: System.Text.Json writes and reads its values.</summary>
    Object,
}

/// <summary>A type whose values can be sent.</summary>
/// <param name="Kind">How its values are written and read.</param>
/// <param name="Name">The name of the type, fully qualified, without a question mark.</param>
/// <param name="IsReference">Whether the type is a reference type.</param>
/// <param name="IsNullable">
/// Whether the type is <c>T?</c> of a value type, or a reference type annotated <c>?</c>.
/// </param>
/// <param name="IsOblivious">
/// Whether the type is a reference type from code without nullable annotations. Such a type takes null, because nobody
/// said that it does not.
/// </param>
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

    /// <summary>The type in the declaration of a variable.</summary>
    public string Declared => AcceptsNull ? Name + "?" : Name;

    /// <summary>
    /// The type as a type argument of another type: without a question mark when it comes from code without nullable
    /// annotations.
    /// </summary>
    public string Spelled => IsNullable ? Name + "?" : Name;
}

/// <param name="Name">The name on the wire.</param>
/// <param name="Expression">The member in C#.</param>
/// <param name="IsFirstOfValue">
/// Whether the value is written with this name: the first of several names for one value.
/// </param>
sealed record EnumMember(string Name, string Expression, bool IsFirstOfValue);
