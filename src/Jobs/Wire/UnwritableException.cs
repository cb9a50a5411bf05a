namespace Jobs.Wire;

/// <summary>A value has no JSON. Caught in this project, where the name of the task is known.</summary>
sealed class UnwritableException(Type type, Exception cause)
    : Exception($"a value of type {type} cannot be written as JSON: {ExceptionText.Message(cause).TrimEnd('.')}", cause)
{
    const string Remedy = "Send plain values or a record of them; where reflection is off, give a JsonSerializerContext that knows the type with UseJsonContext.";

    /// <summary>What went wrong and what helps, for the message of another exception.</summary>
    public static string Explain(Exception e) =>
        $"{(e is UnwritableException ? e.Message : $"{e.GetType().Name}: {ExceptionText.Message(e).TrimEnd('.')}")}. {Remedy}";

    /// <summary>What the serializer, a getter or an iterator threw.</summary>
    public static Exception CauseOf(Exception e) => e is UnwritableException { InnerException: { } cause } ? cause : e;
}
