using System.ComponentModel;
using System.Diagnostics;

namespace Jobs;

/// <summary>
/// Never called. The compiler chooses these methods when a step does not fit what runs before it, and reports one error,
/// which names both types: no conversion from <c>Job&lt;int&gt;</c> to <c>SomethingThatReturns&lt;string&gt;</c>.
/// </summary>
/// <remarks>
/// Without these methods, the compiler complains of a job without a result that the step is no <see cref="Job"/>.
/// </remarks>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class StepDoesNotFit
{
    /// <inheritdoc cref="StepDoesNotFit"/>
    public static Chain Then<TBefore, TIn>(this TBefore before, Step<TIn> next)
        where TBefore : SomethingThatReturns<TIn> => throw new UnreachableException();

    /// <inheritdoc cref="StepDoesNotFit"/>
    public static Chain<TOut> Then<TBefore, TIn, TOut>(this TBefore before, Step<TIn, TOut> next)
        where TBefore : SomethingThatReturns<TIn> => throw new UnreachableException();

    /// <inheritdoc cref="StepDoesNotFit"/>
    public static TBefore OnSuccess<TBefore, TIn>(this TBefore before, Step<TIn> next)
        where TBefore : SomethingThatReturns<TIn> => throw new UnreachableException();
}

/// <summary>
/// A job or a chain whose (last) task returns a <typeparamref name="T"/>, in errors of the compiler: nothing derives
/// from this class. The class is never satisfied, so the error always has these words.
/// </summary>
/// <typeparam name="T">The first parameter of the step.</typeparam>
[EditorBrowsable(EditorBrowsableState.Never)]
public abstract class SomethingThatReturns<T>
{
    private protected SomethingThatReturns()
    {
    }
}
