using System.Text;
using Jobs.Dashboard.Markup;

namespace Jobs.DashboardTests.Unit;

/// <summary>Pieces of HTML, put together and written.</summary>
public sealed class HtmlTests
{
    [Fact]
    public void A_letter_at_the_edge_of_a_chunk_is_written_whole()
    {
        foreach (var begin in Enumerable.Range(0, 4))
        {
            var page = Html.Of($"{new string('x', begin)}{Enumerable.Repeat(Html.Of($"€😀{"<é>"}"), 10_000)}");
            var bytes = new byte[page.MostBytes];

            var length = page.CopyTo(bytes);

            var expected = new string('x', begin) + string.Concat(Enumerable.Repeat("€😀&lt;é&gt;", 10_000));
            Assert.Equal(expected, Encoding.UTF8.GetString(bytes.AsSpan(0, length)));
            Assert.Equal(expected, page.ToString());
        }
    }

    [Fact]
    public void No_piece_is_nothing()
    {
        Assert.True(Html.Empty.IsEmpty);
        Assert.Equal("", Html.Join([Html.Empty, default]).ToString());
        Assert.Equal(0, Html.Empty.CopyTo(new byte[Html.Empty.MostBytes]));
    }
}
