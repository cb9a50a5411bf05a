using System.Text;
using System.Text.Json;
using Jobs.Events;
using Jobs.Registry;
using Jobs.Tests.Working;
using Xunit;

namespace Jobs.Tests.Events;

/// <summary>Viewers see no value that they must not see, wherever it stands and however the text is cut.</summary>
public sealed class SensitiveTests
{
    const char Secret = '§'; // nothing else has it

    static readonly SensitiveRule rule = new(new JobsOptions().SensitiveNames);

    static readonly TestTask login = new("login", (_, _) => Task.CompletedTask)
    {
        Parameters =
        [
            new("user", "string", IsSensitive: false, IsOptional: false),
            new("userPin", "int", IsSensitive: true, IsOptional: false),
            new("apiKey", "string?", IsSensitive: false, IsOptional: true),
            new("розмір", "int", IsSensitive: true, IsOptional: true),
        ],
    };

    [Theory]
    [InlineData("password")]
    [InlineData("Password")]
    [InlineData("oldPassword2")]
    [InlineData("PASS_WORD")]
    [InlineData("-p-a-s-s-w-d-")]
    [InlineData("passphrase")]
    [InlineData("clientSecret")]
    [InlineData("access_token")]
    [InlineData("Proxy-Authorization")]
    [InlineData("x-api-key")]
    [InlineData("ApiKey")]
    [InlineData("Credentials")]
    [InlineData("Set-Cookie")]
    [InlineData("private_key")]
    [InlineData("ConnectionStrings")]
    public void A_name_with_one_of_the_words_in_it_is_hidden_whatever_its_case(string name) =>
        Assert.Equal(("()", $"{{'{name}': '***', 'a': 1}}"), Texts($$"""[[],{"{{name}}":"{{Secret}}","a":1},{}]"""));

    [Theory]
    [InlineData("user")]
    [InlineData("pass")]
    [InlineData("key")]
    [InlineData("api key")]
    [InlineData("connection")]
    [InlineData("")]
    public void Other_names_are_shown(string name) => Assert.Equal($"{{'{name}': 'x'}}", Texts($$"""[[],{"{{name}}":"x"},{}]""").Kwargs);

    [Theory]
    [InlineData("\"§\"")]
    [InlineData("4711")]
    [InlineData("null")]
    [InlineData("true")]
    [InlineData("""["§",["§"]]""")]
    [InlineData("""{"a":{"b":{"c":"§"}},"d":"§"}""")]
    public void A_value_of_any_kind_is_hidden_and_what_comes_after_it_is_shown(string value)
    {
        const string Hidden = "{'token': '***', 'next': 1}";
        Assert.Equal(($"({Hidden}, 2)", Hidden), Texts($$"""[[{"token":{{value}},"next":1},2],{"token":{{value}},"next":1},{}]"""));
        Assert.Equal($"[{Hidden}]", Result($$"""[{"token":{{value}},"next":1}]"""));
    }

    [Fact]
    public void A_property_is_hidden_at_any_depth()
    {
        var json = "1";
        for (var depth = 1; depth < 60; depth++)
        {
            json = $$"""{"a":1,"secret":"{{Secret}}","b":[{{json}}, 2]}""";
            var (args, kwargs) = Texts($$"""[[{{json}}],{"x":{{json}} },{}]""");
            Assert.DoesNotContain(Secret, args + kwargs + Result(json));
            Assert.StartsWith("({'a': 1, 'secret': '***', 'b': [", args, StringComparison.Ordinal);
            Assert.StartsWith("{'x': {'a': 1, 'secret': '***', 'b': [", kwargs, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Arguments_by_position_are_hidden_by_the_attribute_and_by_the_names_of_their_parameters()
    {
        Assert.Equal("('ann', '***', '***', '***', 'one too many')", Texts("""[["ann",4711,"§",["§"],"one too many"],{},{}]""", login).Args);
        Assert.Equal("('ann', 4711, 'k')", Texts("""[["ann",4711,"k"],{},{}]""").Args); // nobody knows the task
    }

    [Theory]
    [InlineData("userPin")]
    [InlineData("user_pin")]
    [InlineData("UserPIN")]
    [InlineData("user\\u0050in")]
    [InlineData("розмір")]
    [InlineData("РОЗМІР")]
    [InlineData("\\u0440\\u043e\\u0437\\u043c\\u0456\\u0440")]
    public void Arguments_by_name_are_hidden_by_the_attribute_also_when_the_name_is_misspelt(string name)
    {
        var kwargs = Texts($$"""[[],{"user":"ann","{{name}}":"{{Secret}}"},{}]""", login).Kwargs;
        Assert.StartsWith("{'user': 'ann', '", kwargs, StringComparison.Ordinal);
        Assert.EndsWith("': '***'}", kwargs, StringComparison.Ordinal);
    }

    [Fact]
    public void The_attribute_says_nothing_about_a_property_of_that_name() =>
        Assert.Equal("({'userPin': 1}, '***')", Texts("""[[{"userPin":1},1],{},{}]""", login).Args);

    [Theory]
    [InlineData("""[{"userPin":"§"},["ann","§"],{}]""", "{'userPin': '***'}", "['ann', '***']")] // the wrong way round
    [InlineData("""[["ann","§"],{"userPin":"§",""", "(...)", "{...}")]
    [InlineData("""[["ann","§],{},{}]""", "(...)", "{...}")]
    [InlineData("""[[{"\ud800token":"§"}],{},{}]""", "(...)", "{...}")]
    [InlineData("""[[{"token":"§","token":"§"}],{"token":"§","TOKEN":"§"},{}]""", "({'token': '***', 'token': '***'},)", "{'token': '***', 'TOKEN': '***'}")]
    public void Hostile_bodies_show_nothing_either(string body, string args, string kwargs) => Assert.Equal((args, kwargs), Texts(body, login));

    [Fact]
    public void A_name_that_is_escaped_or_too_long_to_look_at_is_hidden()
    {
        Assert.Equal("{'token': '***'}", Texts("""[[],{"\u0074oke\u006e":"§"},{}]""").Kwargs);
        var escaped = string.Concat(Enumerable.Repeat("\\u0061", 300));
        Assert.DoesNotContain(Secret, Texts($$"""[[],{"{{escaped}}token":"{{Secret}}"},{}]""").Kwargs);
        Assert.DoesNotContain(Secret, Texts($$"""[[],{"{{new string('a', 5000)}}token":"{{Secret}}"},{}]""").Kwargs);
    }

    [Fact]
    public void However_a_long_text_is_cut_no_part_of_a_hidden_value_is_shown()
    {
        for (var length = 0; length < 1100; length++)
        {
            var filler = new string('x', length);
            var value = new string(Secret, 50);
            var (args, kwargs) = Texts($$"""[["{{filler}}","{{value}}"],{"f":"{{filler}}","token":"{{value}}","next":{"token":["{{value}}"]} },{}]""", login);
            Assert.DoesNotContain(Secret, args + kwargs);
            Assert.InRange(Math.Max(args.Length, kwargs.Length), 1, PythonText.Longest);
        }
    }

    [Theory]
    [InlineData(100_000)]
    [InlineData(250_000)]
    [InlineData(300_000)] // not looked at
    public void A_long_hidden_value_is_passed_over(int length)
    {
        var (args, kwargs) = Texts($$"""[["ann","{{new string(Secret, length / 2)}}"],{"a":1},{}]""", login);
        Assert.Equal(length < 256 * 1024 ? ("('ann', '***')", "{'a': 1}") : ("(...)", "{...}"), (args, kwargs));
    }

    [Fact]
    public void Whatever_is_around_a_hidden_value_it_is_not_shown()
    {
        var random = new Random(4711);
        for (var round = 0; round < 2000; round++)
        {
            var body = JsonSerializer.Serialize(new object?[] { new[] { Value(0), $"{Secret}", Value(0) }, new Dictionary<string, object?> { ["k"] = Value(0), ["user-pin"] = Value(9) } });
            var (args, kwargs) = Texts(body.Replace("\\u00A7", $"{Secret}", StringComparison.Ordinal), login);
            Assert.DoesNotContain(Secret, args + kwargs);
        }

        object? Value(int depth) => random.Next(depth > 5 ? 3 : 6) switch
        {
            0 => random.Next(),
            1 => new string('y', random.Next(200)),
            2 => null,
            3 => Enumerable.Range(0, random.Next(4)).Select(_ => Value(depth + 1)).ToArray(),
            _ => new Dictionary<string, object?> { [$"a{random.Next()}"] = Value(depth + 1), [$"{random.Next()}_Api-Key"] = new[] { $"{Secret}" }, ["z"] = Value(depth + 1) },
        };
    }

    [Fact]
    public void An_application_can_name_other_words_in_any_language()
    {
        var own = new SensitiveRule(["пароль", "Contra_seña"]);
        Assert.True(own.Hides("СтарийПароль"));
        Assert.True(own.Hides("CONTRASEÑA"));
        Assert.False(own.Hides("password"));
        Assert.False(new SensitiveRule([]).Hides("password"));
    }

    static (string Args, string Kwargs) Texts(string body, TaskDefinition? task = null)
    {
        Span<char> args = stackalloc char[PythonText.Longest], kwargs = stackalloc char[PythonText.Longest];
        PythonText.OfBody(Encoding.UTF8.GetBytes(body), task, rule, ref args, ref kwargs);
        return (args.ToString(), kwargs.ToString());
    }

    static string Result(string json)
    {
        Span<char> buffer = stackalloc char[PythonText.Longest];
        return PythonText.OfValue(Encoding.UTF8.GetBytes(json), rule, buffer).ToString();
    }
}
