using System.Globalization;

namespace Jobs.Faults.Logs;

/// <summary>Which job of which run: its id is <c>{run}-{producer}-{number}</c>, so that what is known of it fits into arrays.</summary>
readonly record struct JobKey(int Run, ushort Producer, int Number)
{
    public static bool TryParse(string? id, out JobKey key)
    {
        key = default;
        var parts = (id ?? "").Split('-');
        if (parts.Length != 3
            || !int.TryParse(parts[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var run)
            || !ushort.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var producer)
            || !int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return false;
        }

        key = new(run, producer, number);
        return true;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Run:x8}-{Producer}-{Number}");
}
