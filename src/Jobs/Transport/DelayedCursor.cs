using System.Globalization;

namespace Jobs.Transport;

/// <summary>The place of a delayed message among all, in the order of their times: where the next page begins.</summary>
/// <param name="Due">When the message is due, in the unit of the transport.</param>
/// <param name="Number">Tells messages apart that are due at the same time.</param>
readonly record struct DelayedCursor(long Due, long Number)
{
    /// <summary>Before the first message.</summary>
    public static DelayedCursor First { get; } = new(long.MinValue, 0);

    /// <exception cref="ArgumentException">The text is not from another page.</exception>
    public static DelayedCursor Of(string? after) =>
        after is null ? First
        : after.Split('-') is [var due, var number]
            && long.TryParse(due, NumberStyles.None, CultureInfo.InvariantCulture, out var time)
            && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var place)
            ? new(time, place)
        : throw new ArgumentException($"'{after}' is not the Next of a page.", nameof(after));

    public bool IsBefore(long due, long number) => due > Due || (due == Due && number > Number);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Due}-{Number}");
}
