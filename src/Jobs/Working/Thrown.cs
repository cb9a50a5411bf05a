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
    public static Exception Steering(Exception e)
    {
        // Of several exceptions, "never again" (dead) counts more than "again" (retry, snooze).
        var steering = Unwrapped(e, MaxDepth).Where(one => one is DeadJobException or RetryJobException or SnoozeJobException).ToList();
        return steering.Find(one => one is DeadJobException) ?? steering.FirstOrDefault() ?? e;
    }

    /// <summary>
    /// The exception of one of the types, or <see langword="null"/>. Looks inside the same wrappers as
    /// <see cref="Steering"/>.
    /// </summary>
    public static Exception? Of(IReadOnlyList<Type> types, Exception e) =>
        types.Count == 0 ? null : Unwrapped(e, MaxDepth).FirstOrDefault(one => types.Any(type => type.IsInstanceOfType(one)));

    /// <summary>The exception and, when it is a wrapper, the exceptions inside.</summary>
    static IEnumerable<Exception> Unwrapped(Exception e, int depth)
    {
        IEnumerable<Exception> inside = e switch
        {
            _ when depth == 0 => [],
            AggregateException many => many.InnerExceptions,
            TargetInvocationException or TypeInitializationException when e.InnerException is { } inner => [inner],
            _ => [],
        };
        return inside.SelectMany(inner => Unwrapped(inner, depth - 1)).Prepend(e);
    }
}
