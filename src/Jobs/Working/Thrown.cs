using System.Reflection;

namespace Jobs.Working;

/// <summary>Finds the exception that steers retries in what a task threw.</summary>
static class Thrown
{
    const int MaxDepth = 16; // an exception's own code may lie about its inner exceptions

    /// <summary>
    /// The <see cref="DeadJobException"/> or <see cref="RetryJobException"/> inside the exceptions that <c>Task.Wait</c>
    /// and reflection wrap around another; else the exception itself.
    /// </summary>
    public static Exception Steering(Exception e) => Find(e, MaxDepth) ?? e;

    static Exception? Find(Exception? e, int depth) => e switch
    {
        DeadJobException or RetryJobException => e,
        _ when depth == 0 => null,
        AggregateException many => First(many, depth - 1),
        TargetInvocationException or TypeInitializationException => Find(e.InnerException, depth - 1),
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
