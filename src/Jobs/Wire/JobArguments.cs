using System.Collections;
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Jobs.Wire;

/// <summary>
/// What a task is called with; derived classes are generated, one per task, so that values are written without boxing.
/// </summary>
/// <remarks>
/// Arguments are equal when they travel as equal JSON: collections by their items in order, maps in any order, records
/// and classes by what is sent of them. A comparison writes both sides with the default serializer options, and runs
/// through lazy sequences; no job is compared on its way. Arguments that cannot be written like that (where reflection is
/// off, those with types of your own) are equal to themselves only.
/// </remarks>
[EditorBrowsable(EditorBrowsableState.Never)]
public abstract class JobArguments
{
    /// <summary>Writes the positional arguments, inside an array that the caller opened.</summary>
    public abstract void WritePositional(ArgumentWriter writer);

    /// <summary>Writes the keyword arguments as keys and values, inside an object that the caller opened. Defaults to none.</summary>
    public virtual void WriteKeywords(ArgumentWriter writer)
    {
    }

    /// <summary>The arguments of a task that takes none, or is called with its defaults.</summary>
    public static JobArguments None { get; } = new ValueArguments([], null);

    /// <summary>The items of a sequence, whose code runs now and not again; called by generated code.</summary>
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

    // Agrees with DeepEquals: properties in any order, and 1.0 is 1.
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

    // Iterators of the compiler and of LINQ are their own enumerators; what has its items already is left alone.
    static object? WithItems(object? value) => value is IEnumerable items and (IEnumerator or IQueryable) ? EvaluatedItems.Of(items) : value;
}
