using System.Globalization;

namespace Jobs.Dashboard.Markup;

/// <summary>One bar of a chart.</summary>
/// <param name="Good">What went well, in the lower part of the bar.</param>
/// <param name="Bad">What failed, on top of it.</param>
/// <param name="Says">What the bar says when the pointer rests on it.</param>
/// <param name="IsKnown">Whether anybody knows; nothing known is not the same as zero.</param>
readonly record struct Bar(double Good, double Bad, string Says, bool IsKnown);

/// <summary>Draws bars as SVG, without a style attribute: the content security policy allows none.</summary>
static class Chart
{
    const int Height = 48;
    const int Step = 6;
    const int Width = 5;

    /// <summary>A row of bars on one scale. The ground line is drawn where figures are known.</summary>
    /// <param name="bars">The bars, the oldest first.</param>
    /// <param name="label">What the chart shows, for those who cannot see it.</param>
    public static Html Of(IReadOnlyList<Bar> bars, string label)
    {
        var most = Math.Max(1, bars.Count == 0 ? 1 : bars.Max(bar => bar.Good + bar.Bad));
        return Html.Of($"""
            <svg class="chart" viewBox="0 0 {bars.Count * Step} {Height}" preserveAspectRatio="none" role="img" aria-label="{label}">
            {bars.Select((bar, at) => One(bar, at, most))}
            </svg>
            """);
    }

    static Html One(Bar bar, int at, double most)
    {
        var (good, bad) = (Scaled(bar.Good, most), Scaled(bar.Bad, most));
        return Html.Of($"""
            <g><rect class="hit" x="{at * Step}" y="0" width="{Step}" height="{Height}"><title>{bar.Says}</title></rect>
            {Parts.If(bar.IsKnown, Html.Of($"""<rect class="base" x="{at * Step}" y="{Height - 1}" width="{Step}" height="1"/>"""))}
            {Rect("good", at, Height - good, good)}{Rect("bad", at, Height - good - bad, bad)}</g>
            """);
    }

    static Html Rect(string kind, int at, double y, double height) => height <= 0
        ? Html.Empty
        : Html.Of($"""<rect class="{kind}" x="{at * Step}" y="{Text(y)}" width="{Width}" height="{Text(height)}"/>""");

    // Whatever happened at all is seen.
    static double Scaled(double value, double most) => value <= 0 ? 0 : Math.Max(1.5, value / most * (Height - 2));

    static string Text(double number) => number.ToString("0.#", CultureInfo.InvariantCulture);
}
