using System.Reflection;

namespace Jobs.Working;

/// <summary>Finds the exception that decides about a retry, inside the exception that a task threw.</summary>
static class Thrown
{
    const int MaxDepth = 16; // an exception is user code: it may contain itself

    /// <summary>
    /// The <see cref="DeadJobException"/>, <see cref="SnoozeJobException"/> or <see cref="RetryJobException"/> that the
    /// task threw; else <paramref name="e"/>. The method looks inside the wrappers that <c>Task.Wait</c> and reflection
    /// put around exceptions.
    /// </summary>
    public static Exception Steering(Exception e) => Find(e, MaxDepth) ?? e;

    /// <summary>
    /// The exception of one of the types, or <see langword="null"/>. Looks inside the same wrappers as
    /// <see cref="Steering"/>.
    /// </summary>
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

    // Of several exceptions, "never again" (dead) counts more than "again" (retry, snooze).
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
