using System.Text;
using Jobs.Events;
using Xunit;

namespace Jobs.Tests.Events;

/// <summary>What viewers show of arguments and results: as Python's repr, which Flower reads back.</summary>
public sealed class PythonTextTests
{
    [Theory]
    [InlineData("""[[2,2],{},{}]""", "(2, 2)", "{}")]
    [InlineData("""[[],{},{}]""", "()", "{}")]
    [InlineData("""[[1],null,null]""", "(1,)", "None")]
    [InlineData("""[["a",null,true,false,1.5,-3e2],{"k":"v","n":[1,{"x":5}]},{}]""", "('a', None, True, False, 1.5, -3e2)", "{'k': 'v', 'n': [1, {'x': 5}]}")]
    [InlineData("""[["it's","say \"x\"","both ' and \""],{},{}]""", """("it's", 'say "x"', 'both \' and "')""", "{}")]
    [InlineData("""[["a\nb\t\\\u0001\u007fü€"],{},{}]""", """('a\nb\t\\\x01\x7fü€',)""", "{}")]
    [InlineData("""[[[[[1]]]],{"a":{"b":{"c":{"d":1}}}},{}]""", "([[[...]]],)", "{'a': {'b': {'c': {...}}}}")] // as Celery's saferepr
    [InlineData("""[[1,{}]""", "(...)", "{...}")]
    [InlineData("""no json""", "(...)", "{...}")]
    [InlineData("", "(...)", "{...}")]
    public void Arguments_are_a_tuple_and_a_dictionary(string body, string args, string kwargs) =>
        Assert.Equal((args, kwargs), OfBody(Encoding.UTF8.GetBytes(body)));

    [Theory]
    [InlineData("""{"Title":"Rain","Words":[1,2]}""", "{'Title': 'Rain', 'Words': [1, 2]}")]
    [InlineData("null", "None")]
    [InlineData("\"x\"", "'x'")]
    [InlineData("7", "7")]
    public void A_result_is_a_value(string json, string text) => Assert.Equal(text, OfValue(json));

    [Theory]
    [InlineData("System.TimeoutException", "it's over", """TimeoutException("it's over")""")]
    [InlineData("ValueError", "", "ValueError('')")]
    public void An_exception_is_a_call(string type, string message, string text)
    {
        Span<char> buffer = stackalloc char[PythonText.Longest];
        Assert.Equal(text, PythonText.OfError(type, message, buffer).ToString());
    }

    [Theory]
    [InlineData(1023, true)]
    [InlineData(100_000, true)]
    [InlineData(1000, false)]
    public void A_long_text_is_cut_and_what_comes_after_it_is_read_all_the_same(int length, bool isCut)
    {
        var (args, kwargs) = OfBody(Encoding.UTF8.GetBytes($$"""[["{{new string('ü', length)}}",["deep",{"x":1}]],{"k":1},{}]"""));
        Assert.Equal("{'k': 1}", kwargs);
        Assert.StartsWith("('üü", args, StringComparison.Ordinal);
        Assert.Equal(isCut, args.EndsWith("...", StringComparison.Ordinal));
        Assert.InRange(args.Length, 1000, 1027);
    }

    [Fact]
    public void Escapes_in_a_long_text_and_a_body_too_large_to_look_at_do_no_harm()
    {
        var escapes = string.Concat(Enumerable.Repeat("\\u0041", 2000));
        Assert.StartsWith("('", OfBody(Encoding.UTF8.GetBytes($$"""[["{{escapes}}"],{},{}]""")).Args, StringComparison.Ordinal);
        Assert.Equal(("(...)", "{...}"), OfBody(Encoding.UTF8.GetBytes($$"""[["{{new string('x', 300_000)}}"],{},{}]""")));
    }

    static (string Args, string Kwargs) OfBody(byte[] body)
    {
        Span<char> args = stackalloc char[PythonText.Longest], kwargs = stackalloc char[PythonText.Longest];
        PythonText.OfBody(body, null, SensitiveRule.None, ref args, ref kwargs);
        return (args.ToString(), kwargs.ToString());
    }

    static string OfValue(string json)
    {
        Span<char> buffer = stackalloc char[PythonText.Longest];
        return PythonText.OfValue(Encoding.UTF8.GetBytes(json), SensitiveRule.None, buffer).ToString();
    }
}
