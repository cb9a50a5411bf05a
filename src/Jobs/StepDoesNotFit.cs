using System.ComponentModel;
using System.Diagnostics;

namespace Jobs;

/// <summary>
/// Never called. These methods are for the compiler: about a step after a job without a result, it says that there is
/// no conversion from <c>Job</c> to <c>SomethingThatReturns&lt;string&gt;</c>.
/// </summary>
/// <remarks>
/// Without these methods the compiler says that the step is no <see cref="Job"/>, or that a chain has no <c>Then</c>.
/// About a result of another type, it says that there is no conversion from <c>int</c> to <c>string</c>; that error is
/// about <see cref="Canvas"/>.
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
/// A job or a chain that returns a <typeparamref name="T"/>, in errors of the compiler. Nothing derives from this
/// class, so no call of <see cref="StepDoesNotFit"/> compiles.
/// </summary>
/// <typeparam name="T">The first parameter of the step.</typeparam>
[EditorBrowsable(EditorBrowsableState.Never)]
public abstract class SomethingThatReturns<T>
{
    private protected SomethingThatReturns()
    {
    }
}
