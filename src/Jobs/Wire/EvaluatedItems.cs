using System.Collections;

namespace Jobs.Wire;

/// <summary>The items of a lazy sequence in a call by name. The code of the sequence has run.</summary>
/// <param name="items">The items.</param>
/// <param name="declared">The item type of the sequence: a base type may say how its derived types are written.</param>
sealed class EvaluatedItems(IReadOnlyList<object?> items, Type declared)
{
    public IReadOnlyList<object?> Items => items;

    public Type Declared => declared;

    public static EvaluatedItems Of(IEnumerable sequence) => new([.. sequence.Cast<object?>()], ItemOf(sequence.GetType()));

    /// <summary>
    /// The item type of a collection: the element type of an array, or the last type argument of a list and of most
    /// iterators; <see cref="object"/> when there is neither.
    /// </summary>
    public static Type ItemOf(Type collection) => collection.GetElementType() ?? collection.GenericTypeArguments.LastOrDefault(typeof(object));
}
