using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>Median, least and most of some values.</summary>
readonly record struct Spread(double Median, double Least, double Most)
{
    public static Spread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        var middle = sorted.Count / 2;
        return new(sorted.Count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2, sorted[0], sorted[^1]);
    }

    /// <summary>
    /// The median, and between which values the true median lies with 95 % certainty, whatever the values are spread like:
    /// each is above it or below it by the toss of a coin. With less than six values nothing is certain.
    /// </summary>
    public static Spread Certain(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        var (left, chance, sum) = (0, Math.Pow(0.5, sorted.Count), 0.0); // of as many values below the true median, and of so many or fewer
        while (2 * (sum + chance) <= 0.05)
        {
            sum += chance;
            chance *= (double)(sorted.Count - left) / (left + 1);
            left++;
        }

        return left == 0 ? Of(sorted) with { Least = double.NegativeInfinity, Most = double.PositiveInfinity }
            : Of(sorted) with { Least = sorted[left - 1], Most = sorted[^left] };
    }

    public string ToString(string format) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Median.ToString(format, CultureInfo.InvariantCulture)} ({Least.ToString(format, CultureInfo.InvariantCulture)}–{Most.ToString(format, CultureInfo.InvariantCulture)})");
}
