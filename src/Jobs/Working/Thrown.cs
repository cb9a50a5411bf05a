using System.Reflection;

namespace Jobs.Working;

/// <summary>Finds the exception that steers retries in what a task threw.</summary>
static class Thrown
{
    const int MaxDepth = 16; // an exception's own code may lie about its inner exceptions

    /// <summary>
    /// The <see cref="DeadJobException"/>, <see cref="SnoozeJobException"/> or <see cref="RetryJobException"/> inside the exceptions that <c>Task.Wait</c>
    /// and reflection wrap around another; else the exception itself.
    /// </summary>
    public static Exception Steering(Exception e) => Find(e, MaxDepth) ?? e;

    /// <summary>The exception that is of one of the types; <see langword="null"/> if none is. Looked for as in <see cref="Steering"/>.</summary>
    public static Exception? Of(IReadOnlyList<Type> types, Exception? e) => types.Count == 0 ? null : Of(types, e, MaxDepth);

    static Exception? Find(Exception? e, int depth) => e switch
    {
        DeadJobException or RetryJobException or SnoozeJobException => e,
        _ when depth == 0 => null,
        AggregateException many => First(many, depth - 1),
        TargetInvocationException or TypeInitializationException => Find(e.InnerException, depth - 1),
        _ => null,
    };

    static Exception? Of(IReadOnlyList<Type> types, Exception? e, int depth) => e switch
    {
        null => null,
        _ when types.Any(type => type.IsInstanceOfType(e)) => e,
        _ when depth == 0 => null,
        AggregateException many => many.InnerExceptions.Select(inner => Of(types, inner, depth - 1)).FirstOrDefault(found => found is not null),
        TargetInvocationException or TypeInitializationException => Of(types, e.InnerException, depth - 1),
        _ => null,
    };

    // Of several, "never again" counts more than "again".
    static Exception? First(AggregateException many, int depth)
    {
        Exception? retry = null;
        foreach (var inner in many.InnerExceptions)
        {
            switch (Find(inner, depth))
            {
                case DeadJobException dead:
                    return dead;
                case { } found:
                    retry ??= found;
                    break;
            }
        }

        return retry;
    }
}
