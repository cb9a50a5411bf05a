using Xunit;

namespace Jobs.Tests.Generators;

/// <summary>A job that does not fit its task says so: task, parameter, what was expected, what came.</summary>
public sealed class ArgumentErrorTests
{
    static readonly Registry.TaskDefinition numbers = EveryTypeJobs.Numbers(0, 0, 0, false).Definition!;
    static readonly Registry.TaskDefinition injected = EveryTypeJobs.Injected(0).Definition!;

    [Fact]
    public async Task A_missing_argument_is_named() =>
        Assert.Equal("Task 'every_type.numbers' was called without 'd', which has no default.", await Call.ErrorAsync(numbers, "[1,2,3]"));

    [Fact]
    public async Task An_unknown_keyword_is_named_with_the_ones_there_are() =>
        Assert.Equal("Task 'every_type.numbers' has no parameter 'e'; it has: a, b, c, d.", await Call.ErrorAsync(numbers, "[1,2,3,true]", """{"e":1}"""));

    [Fact]
    public async Task An_injected_parameter_cannot_be_sent() =>
        Assert.Equal("Task 'every_type.injected' has no parameter 'job'; it has: number.", await Call.ErrorAsync(injected, "[1]", """{"job":1}"""));

    [Fact]
    public async Task An_argument_given_twice_is_named() =>
        Assert.Equal("Task 'every_type.numbers' was given 'b' both by position and by keyword.", await Call.ErrorAsync(numbers, "[1,2]", """{"c":1,"d":true,"b":1}"""));

    [Fact]
    public async Task A_keyword_given_twice_is_an_error() =>
        Assert.Contains("'every_type.numbers' was given one of its keywords twice", await Call.ErrorAsync(numbers, "[1,2]", """{"c":1,"d":true,"c":2}"""), StringComparison.Ordinal);

    [Fact]
    public async Task Too_many_arguments_are_an_error() =>
        Assert.Equal("Task 'every_type.injected' takes 1 arguments; it was called with more.", await Call.ErrorAsync(injected, "[1,2]"));

    [Theory]
    [InlineData("[\"x\",2,3,true]", "'a': expected float, got the string \"x\"")]
    [InlineData("[1,null,3,true]", "'b': expected double, got null")]
    [InlineData("[1,2,{},true]", "'c': expected decimal, got an object")]
    [InlineData("[1,2,{\"__type__\":\"uuid\",\"__value__\":\"1\"},true]", "'c': expected decimal, got an object")]
    [InlineData("[1,2,3,0]", "'d': expected boolean, got 0")]
    public async Task A_wrong_number_says_what_came(string arguments, string message) =>
        Assert.Equal($"Task 'every_type.numbers', parameter {message}.", await Call.ErrorAsync(numbers, arguments));

    [Theory]
    [InlineData(0, "256", "'a': expected byte, got 256")]
    [InlineData(1, "-129", "'b': expected sbyte, got -129")]
    [InlineData(4, "2147483648", "'e': expected int, got 2147483648")]
    [InlineData(4, "1.5", "'e': expected int, got 1.5")]
    [InlineData(5, "-1", "'f': expected uint, got -1")]
    [InlineData(7, "[1]", "'h': expected ulong, got an array")]
    public async Task An_integer_out_of_range_says_its_type(int position, string value, string message)
    {
        var values = Enumerable.Repeat("0", 10).ToArray();
        values[position] = value;
        Assert.Equal(
            $"Task 'every_type.integers', parameter {message}.",
            await Call.ErrorAsync(EveryTypeJobs.Integers(0, 0, 0, 0, 0, 0, 0, 0, 0, 0).Definition!, $"[{string.Join(',', values)}]"));
    }

    [Theory]
    [InlineData("""["ab","b",null,"x",""]""", "'a': expected a string of one character, got the string \"ab\"")]
    [InlineData("""["a",null]""", "'b': expected string, got null")]
    [InlineData("""["a","b",1]""", "'c': expected string, got 1")]
    [InlineData("""["a","b",null,"x"]""", "'d': expected Guid, got the string \"x\"")]
    [InlineData("""["a","b",null,"0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","?"]""", "'e': expected bytes (base64), got the string \"?\"")]
    public async Task A_wrong_text_says_what_came(string arguments, string message) =>
        Assert.Equal($"Task 'every_type.texts', parameter {message}.", await Call.ErrorAsync(EveryTypeJobs.Texts('a', "", null, default, [], null).Definition!, arguments));

    [Theory]
    [InlineData("""["yesterday"]""", "'a': expected DateTime, got the string \"yesterday\"")]
    [InlineData("""["2026-01-01T00:00:00",5]""", "'b': expected DateTimeOffset, got 5")]
    [InlineData("""["2026-01-01T00:00:00","2026-01-01T00:00:00","2026-13-01"]""", "'c': expected DateOnly, got the string \"2026-13-01\"")]
    [InlineData("""["2026-01-01T00:00:00","2026-01-01T00:00:00","2026-12-01","25:00"]""", "'d': expected TimeOnly, got the string \"25:00\"")]
    [InlineData("""["2026-01-01T00:00:00","2026-01-01T00:00:00","2026-12-01","23:00","x"]""", "'e': expected TimeSpan ('hh:mm:ss' or seconds), got the string \"x\"")]
    public async Task A_wrong_time_says_what_came(string arguments, string message) =>
        Assert.Equal($"Task 'every_type.times', parameter {message}.", await Call.ErrorAsync(EveryTypeJobs.Times(default, default, default, default, default).Definition!, arguments));

    [Theory]
    [InlineData("""["Purple"]""", "'a': expected Colour (Red, Green, Blue, Azure), got the string \"Purple\"")]
    [InlineData("""[null]""", "'a': expected Colour (Red, Green, Blue, Azure), got null")]
    [InlineData("""[2147483648]""", "'a': expected Colour (Red, Green, Blue, Azure), got 2147483648")]
    [InlineData("""["Red",null,0,0,128]""", "'e': expected Small (class, Zero), got 128")]
    public async Task A_wrong_enum_lists_its_names(string arguments, string message) =>
        Assert.Equal($"Task 'every_type.enums', parameter {message}.", await Call.ErrorAsync(EveryTypeJobs.Enums(default, default, default, default, default).Definition!, arguments));

    [Theory]
    [InlineData("[1]", "'rest': expected an array, got 1")]
    [InlineData("[[1,\"x\"]]", "'rest'[1]: expected int, got the string \"x\"")]
    [InlineData("[null]", "'rest': expected an array, got null")]
    public async Task A_wrong_item_says_what_came(string arguments, string message) =>
        Assert.Equal($"Task 'every_type.rest', parameter {message}.", await Call.ErrorAsync(EveryTypeJobs.Rest().Definition!, arguments));

    [Fact]
    public async Task A_wrong_map_or_object_says_what_came()
    {
        var maps = EveryTypeJobs.Maps([], new Dictionary<string, string?>(), new Dictionary<string, Dictionary<string, int[]?>>(), []).Definition!;
        var objects = EveryTypeJobs.Objects(new(1, []), null, default, default, null, new("http://localhost/")).Definition!;

        Assert.Equal("Task 'every_type.maps', parameter 'a': expected an object, got an array.", await Call.ErrorAsync(maps, "[[]]"));
        Assert.Equal("Task 'every_type.objects', parameter 'a': expected Order, got null.", await Call.ErrorAsync(objects, "[null]"));
        Assert.StartsWith("Task 'every_type.objects', parameter 'a': expected Order, got 5.", await Call.ErrorAsync(objects, "[5]"), StringComparison.Ordinal);
    }
}
