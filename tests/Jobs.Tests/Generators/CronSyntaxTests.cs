using Cronos;
using Jobs.Generators;
using Xunit;

namespace Jobs.Tests.Generators;

public sealed class CronSyntaxTests
{
    static readonly string[] values =
        ["*", "?", "L", "LW", "L-3", "l", "0", "1", "2", "5", "7", "8", "12", "13", "23", "24", "30", "31", "32", "59", "60", "05", "007", "", "jan", "DEC", "Sun", "SAT", "H", "x"];

    static readonly string[] joints = [",", "-", "/", "#", ",", "-", "/"];

    static readonly string[] ends = ["", "", "", "", "L", "W", "w", "#", "#2", "#6", "/0", "/1", ","];

    [Theory]
    [InlineData("* * * * *")]
    [InlineData("0 0 1,15 * ?")]
    [InlineData("0-30/5 23-2 LW JAN-mar/2 MON#2")]
    [InlineData("5/10 * * * * SUN")]
    [InlineData("0 12 L-3W * 5L")]
    [InlineData("  0 12 15W\t* 7 ")]
    [InlineData("@Every_Minute")]
    [InlineData("@annually")]
    public void What_Cronos_accepts_is_accepted(string expression)
    {
        Assert.True(CronosAccepts(expression));
        Assert.Null(CronSyntax.FindError(expression));
    }

    [Fact]
    public void Random_expressions_are_judged_as_Cronos_judges_them()
    {
        var random = new Random(20240229);
        var (accepted, refused) = (0, 0);
        for (var i = 0; i < 10_000; i++)
        {
            // One odd field among stars: most get as far as that field.
            var fields = Enumerable.Repeat("*", random.Next(10) == 0 ? random.Next(4, 8) : random.Next(5, 7)).ToArray();
            var field = Pick(values);
            for (var joint = random.Next(3); joint > 0; joint--)
            {
                field += Pick(joints) + Pick(values);
            }

            fields[random.Next(fields.Length)] = field + Pick(ends);
            var expression = string.Join(' ', fields);

            var expected = CronosAccepts(expression);
            var error = CronSyntax.FindError(expression);

            Assert.True(expected == (error is null), $"'{expression}': Cronos {(expected ? "accepts" : "refuses")} it, we say: {error ?? "fine"}");
            _ = expected ? accepted++ : refused++;
        }

        Assert.True(accepted > 500 && refused > 500, $"{accepted} accepted, {refused} refused: the sample says too little");

        string Pick(string[] from) => from[random.Next(from.Length)];
    }

    static bool CronosAccepts(string expression)
    {
        var fields = expression.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Length;
        try
        {
            CronExpression.Parse(expression, fields == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard);
            return true;
        }
        catch (Exception e) when (e is CronFormatException or MissingSeedException)
        {
            return false;
        }
    }
}
