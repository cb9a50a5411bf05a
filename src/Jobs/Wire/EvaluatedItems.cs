using System.Collections;

namespace Jobs.Wire;

/// <summary>The items of a sequence that was given by name, whose code has run.</summary>
/// <param name="items">The items.</param>
/// <param name="declared">What the sequence said that its items are: a base type may say how its derived types are written.</param>
sealed class EvaluatedItems(IReadOnlyList<object?> items, Type declared)
{
    public IReadOnlyList<object?> Items => items;

    public Type Declared => declared;

    public static EvaluatedItems Of(IEnumerable sequence) => new([.. sequence.Cast<object?>()], ItemOf(sequence.GetType()));

    /// <summary>The last type argument, as far as there is one: that of a list, of an array, of most iterators.</summary>
    public static Type ItemOf(Type collection) => collection.GetElementType() ?? collection.GenericTypeArguments.LastOrDefault(typeof(object));
}
