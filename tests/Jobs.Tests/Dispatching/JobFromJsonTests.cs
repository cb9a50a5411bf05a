using System.Text;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Dispatching;

/// <summary>Jobs whose arguments somebody wrote as JSON.</summary>
public sealed class JobFromJsonTests
{
    [Theory]
    [InlineData(null, null, "[[],{},")]
    [InlineData("[]", "{}", "[[],{},")]
    [InlineData("""["espn", 3, null, {"a": [true]}]""", null, """[["espn",3,null,{"a":[true]}],{},""")]
    [InlineData(null, """ {"source": "espn", "deep": {"x": 1}} """, """[[],{"source":"espn","deep":{"x":1}},""")]
    [InlineData("""["\u017e", "€"]""", null, """[["ž","€"],{},""")]
    public void The_arguments_are_those_of_the_JSON(string? arguments, string? named, string body) =>
        Assert.StartsWith(body, Body(Job.FromJson("news.refresh", arguments, named)), StringComparison.Ordinal);

    [Theory]
    [InlineData("123456789012345678901234567890")]
    [InlineData("0.12345678901234567890123456789")]
    [InlineData("1e400")]
    [InlineData("-1E-999")]
    [InlineData("1.10")]
    [InlineData("-0")]
    public void A_number_stays_as_it_is_written(string number)
    {
        var job = Job.FromJson("news.refresh", $"[{number}]", $$"""{"n":[{{number}}]}""");

        Assert.StartsWith($$"""[[{{number}}],{"n":[{{number}}]},""", Body(job), StringComparison.Ordinal);
        Assert.Equal(job.GetHashCode(), Job.FromJson("news.refresh", $"[ {number} ]", $$"""{"n":[{{number}}]}""").GetHashCode());
    }

    [Theory]
    [InlineData("", null, "The arguments of job 'news.refresh' cannot be read as JSON")]
    [InlineData("[1,\nx]", null, "LineNumber: 1 | BytePositionInLine: 0")]
    [InlineData("[1", null, "Give a JSON array")]
    [InlineData("[1] 2", null, "cannot be read as JSON")]
    [InlineData("[NaN]", null, "cannot be read as JSON")]
    [InlineData("null", null, "are a JSON null. Give a JSON array")]
    [InlineData("{\"a\":1}", null, "are a JSON object. Give a JSON array")]
    [InlineData(null, "[1]", "The named arguments of job 'news.refresh' are a JSON array. Give a JSON object")]
    [InlineData(null, "{\"a\":1,\"a\":2}", "'a'")]
    [InlineData("[{\"b\":1,\"b\":2}]", null, "'b'")]
    [InlineData("[1,{\"a\":[\"\\ud800\"]}]", null, "half a surrogate pair at $[1].a[0]")]
    [InlineData(null, "{\"\\ud800\":1}", "of job 'news.refresh'")]
    [InlineData("[{\"\\udc00\":1}]", null, "of job 'news.refresh'")]
    public void What_is_no_such_JSON_is_refused_with_what_and_where(string? arguments, string? named, string says) =>
        Assert.Contains(says, Assert.ThrowsAny<ArgumentException>(() => Job.FromJson("news.refresh", arguments, named)).Message, StringComparison.Ordinal);

    [Fact]
    public void JSON_that_is_nested_as_deep_as_a_body_may_be_is_sent_and_deeper_JSON_is_refused()
    {
        string Nested(int levels) => new string('[', levels) + new string(']', levels);

        var deepest = Job.FromJson("news.refresh", Nested(WireTypes.MaxDepth - 1));
        _ = JobBody.Read(Encoding.UTF8.GetBytes(Body(deepest)));
        Assert.Throws<ArgumentException>(() => Job.FromJson("news.refresh", Nested(WireTypes.MaxDepth)));
    }

    [Fact]
    public void A_text_that_is_not_Unicode_is_refused() =>
        Assert.Contains("of job 'news.refresh'", Assert.Throws<ArgumentException>(() => Job.FromJson("news.refresh", $"[\"{(char)0xd800}\"]")).Message, StringComparison.Ordinal);

    [Fact]
    public void The_name_of_the_task_is_checked() => Assert.Throws<ArgumentException>(() => Job.FromJson("no name"));

    [Fact]
    public void It_equals_the_job_by_name_with_the_same_values() =>
        Assert.Equal(new Job("news.refresh", ["espn", 3]) with { Priority = 5 }, Job.FromJson("news.refresh", """["espn",3]""") with { Priority = 5 });

    static string Body(Job job) => Encoding.UTF8.GetString(JobBody.Write(job.TaskName, job.Arguments, WireTypes.Default));
}
