using System.Text.Json;
using Jobs.Dashboard.Arguments;

namespace Jobs.DashboardTests.Unit;

/// <summary>Arguments in Python's notation become JSON, whatever a worker sends, and without what nobody shall see.</summary>
public sealed class ArgumentTextTests
{
    static readonly string[] sensitive = ["password", "api_key"];

    [Theory]
    [InlineData("()", "[]")]
    [InlineData("('cricket',)", """["cricket"]""")]
    [InlineData("(1, -2.5, 1e+20, None, True, False)", "[1,-2.5,1e+20,null,true,false]")]
    [InlineData("(12345678901234567890123456789012345678901234567890,)", "[12345678901234567890123456789012345678901234567890]")]
    [InlineData("(1.10,)", "[1.10]")]
    [InlineData("""('\\uD83D\\uDE00 \\\ud83d\ude00',)""", """["\\uD83D\\uDE00 \\😀"]""")]
    [InlineData("""{'\ud800': 'x\udc00'}""", """{"\uFFFD":"x\uFFFD"}""")] // half a character
    [InlineData("""("it's", 'say "x"', '\\ \' \n \t \x41 \u00e9 \U0001f600')""", """["it's","say \"x\"","\\ ' \n \t A é 😀"]""")]
    [InlineData("{'a': [1, {'b': ()}], 'c': {}}", """{"a":[1,{"b":[]}],"c":{}}""")]
    public void What_JSON_has_is_exact(string python, string json)
    {
        var text = ArgumentText.Of(python, sensitive, isIndented: false);

        Assert.Equal((json, true), (text.Json, text.IsExact));
    }

    [Theory]
    [InlineData("('cut off he", """["cut off he…"]""")]
    [InlineData("('cut off he...", """["cut off he…"]""")]
    [InlineData("('cut off he...',)", """["cut off he..."]""")]
    [InlineData("[1, 2", "[1,2]")]
    [InlineData("{'a': ", """{"a":"…"}""")]
    [InlineData("{'a'", """{"a":"…"}""")]
    [InlineData("", "\"…\"")]
    [InlineData("[..., {...}]", """["…",{"...":"…"}]""")]
    [InlineData(
        "(<User: bob (1)>, datetime.date(2026, 1, 2), Decimal('1.5'), b'x')",
        """["<User: bob (1)>","datetime.date(2026, 1, 2)","Decimal('1.5')","b'x'"]""")]
    [InlineData("(nan, inf, 1_000, 01, 1.)", """["nan","inf","1_000","01","1."]""")]
    [InlineData("{1: 2}", """{"1":2}""")]
    [InlineData("(1,) and more", "[1]")]
    public void What_is_cut_or_no_JSON_is_shown_as_far_as_it_goes_and_is_not_exact(string python, string json)
    {
        var text = ArgumentText.Of(python, sensitive, isIndented: false);

        Assert.Equal((json, false), (text.Json, text.IsExact));
    }

    [Theory]
    [InlineData("{'password': 'hunter2'}", """{"password":"***"}""")]
    [InlineData("({'Api-Key': {'deep': ['hunter2']}, 'user': 'bob'},)", """[{"Api-Key":"***","user":"bob"}]""")]
    [InlineData("{'db_pass_word': 'hunter2", """{"db_pass_word":"***"}""")]
    [InlineData("{'a': {'b': [{'user_password': None}]}}", """{"a":{"b":[{"user_password":"***"}]}}""")]
    [InlineData("(<User: bob, password='hunter2'>, 1)", """["***",1]""")]
    [InlineData("(Settings(host='a', api_key='hunter2', port=1),)", """["***"]""")]
    public void What_nobody_shall_see_is_hidden_at_any_depth(string python, string json)
    {
        var text = ArgumentText.Of(python, sensitive, isIndented: false);

        Assert.Equal((json, false), (text.Json, text.IsExact));
    }

    [Fact]
    public void What_is_nested_too_deeply_to_be_read_does_not_show_what_nobody_shall_see() =>
        Assert.DoesNotContain("hunter2", ArgumentText.Of(new string('[', 70) + "{'password': 'hunter2'}", sensitive).Json, StringComparison.Ordinal);

    [Theory]
    [InlineData("""[true,false,null,"a\/b\ud83d\ude00"]""", """[true,false,null,"a/b😀"]""")]
    [InlineData("""{"a":{"b":[1.50,-2e+10]}}""", """{"a":{"b":[1.50,-2e+10]}}""")]
    public void JSON_stays_as_it_is(string json, string expected)
    {
        var text = ArgumentText.Of(json, sensitive, isIndented: false);

        Assert.Equal((expected, true), (text.Json, text.IsExact));
    }

    [Fact]
    public void Each_value_has_a_line()
    {
        var text = ArgumentText.Of("('a', 1, {'b': None})", sensitive);

        Assert.Equal("[\n  \"a\",\n  1,\n  {\n    \"b\": null\n  }\n]", text.Json);
    }

    [Fact]
    public void Whatever_comes_it_is_JSON_in_the_end()
    {
        const string Letters = "()[]{},:'\"\\ \n.0123456789abcxNTFe-+<>…\ud800\udc00u";
        var random = new Random(11);
        for (var i = 0; i < 20_000; i++)
        {
            var python = new string([.. Enumerable.Range(0, random.Next(40)).Select(_ => Letters[random.Next(Letters.Length)])]);

            using var read = JsonDocument.Parse(ArgumentText.Of(python, sensitive, isIndented: i % 2 == 0).Json);
        }
    }

    [Fact]
    public void A_very_deep_text_is_shown_as_far_as_it_goes() => Assert.False(ArgumentText.Of(new string('[', 100_000), sensitive).IsExact);
}
