namespace Jobs.Wire;

/// <summary>
/// A value cannot be written as JSON. The core catches this exception where it knows the name of the task.
/// </summary>
sealed class UnwritableException(Type type, Exception cause)
    : Exception($"a value of type {type} cannot be written as JSON: {ExceptionText.Message(cause).TrimEnd('.')}", cause)
{
    const string Remedy = "Send plain values or a record of them; where reflection is off, give a JsonSerializerContext that knows the type with "
        + "UseJsonContext.";

    /// <summary>The problem and its remedy, for the message of another exception.</summary>
    public static string Explain(Exception e) =>
        $"{(e is UnwritableException ? e.Message : $"{e.GetType().Name}: {ExceptionText.Message(e).TrimEnd('.')}")}. {Remedy}";

    /// <summary>The exception that the serializer, a getter or an iterator threw.</summary>
    public static Exception CauseOf(Exception e) => e is UnwritableException { InnerException: { } cause } ? cause : e;
}
