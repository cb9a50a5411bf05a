using System.Collections;
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Jobs.Wire;

/// <summary>
/// The arguments of a job. The generator derives a class per task, so that values are written without boxing.
/// </summary>
/// <remarks>
/// Arguments are equal when they travel as equal JSON: collections are compared by their items in order, maps in any
/// order, records and classes by the members that are sent. A comparison writes both sides with the default serializer
/// options, and enumerates lazy sequences. Sending a job compares nothing. Arguments that the default options cannot
/// write are equal to themselves only: where reflection is off, arguments with types of your own.
/// </remarks>
[EditorBrowsable(EditorBrowsableState.Never)]
public abstract class JobArguments
{
    /// <summary>Writes the positional arguments, into an array that the caller has opened.</summary>
    public abstract void WritePositional(ArgumentWriter writer);

    /// <summary>
    /// Writes the keyword arguments as keys and values, into an object that the caller has opened. Defaults to none.
    /// </summary>
    public virtual void WriteKeywords(ArgumentWriter writer)
    {
    }

    /// <summary>No arguments: for a task that takes none, or that is called with its defaults.</summary>
    public static JobArguments None { get; } = new ValueArguments([], null);

    /// <summary>
    /// Runs the code of a lazy sequence now, so that it does not run each time the job is written or compared. Called
    /// by generated code.
    /// </summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    [return: NotNullIfNotNull(nameof(items))]
    public static IEnumerable<T>? Evaluated<T>(IEnumerable<T>? items) => items is null or ICollection<T> or IReadOnlyCollection<T> ? items : [.. items];

    /// <inheritdoc/>
    public sealed override bool Equals(object? obj) =>
        ReferenceEquals(this, obj)
        || (obj is JobArguments other && AsJson() is { } mine && other.AsJson() is { } theirs && JsonElement.DeepEquals(mine, theirs));

    /// <inheritdoc/>
    public sealed override int GetHashCode() => AsJson() is { } value ? HashOf(value) : RuntimeHelpers.GetHashCode(this);

    JsonElement? AsJson()
    {
        try
        {
            return JsonElement.Parse(JobBody.Write("", this, WireTypes.Default), new() { MaxDepth = WireTypes.MaxDepth });
        }
        catch (Exception e) when (e is ArgumentException or JsonException)
        {
            return null;
        }
    }

    // Agrees with DeepEquals, which takes properties in any order, and takes 1.0 and 1 as equal.
    static int HashOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Aggregate(1, (hash, p) => hash ^ HashCode.Combine(p.Name, HashOf(p.Value))),
        JsonValueKind.Array => value.EnumerateArray().Aggregate(2, (hash, item) => HashCode.Combine(hash, HashOf(item))),
        JsonValueKind.String => value.GetString()!.GetHashCode(StringComparison.Ordinal),
        JsonValueKind.Number => value.GetDouble().GetHashCode(),
        var kind => (int)kind,
    };
}

/// <summary>Arguments of a task called by name, or given as JSON text in a configuration file.</summary>
sealed class ValueArguments(IReadOnlyList<object?> positional, IReadOnlyDictionary<string, object?>? keywords) : JobArguments
{
    readonly object?[] positional = [.. positional.Select(WithItems)];
    readonly KeyValuePair<string, object?>[] keywords =
        [.. (keywords ?? new Dictionary<string, object?>()).Select(pair => KeyValuePair.Create(pair.Key, WithItems(pair.Value)))];

    public override void WritePositional(ArgumentWriter writer)
    {
        foreach (var value in positional)
        {
            writer.WriteValue(value);
        }
    }

    public override void WriteKeywords(ArgumentWriter writer)
    {
        foreach (var (name, value) in keywords)
        {
            writer.WriteKey(name);
            writer.WriteValue(value);
        }
    }

    // Iterators of the compiler and of LINQ are their own enumerators. A collection, which has its items already, stays
    // as it is.
    static object? WithItems(object? value) => value is IEnumerable items and (IEnumerator or IQueryable) ? EvaluatedItems.Of(items) : value;
}
