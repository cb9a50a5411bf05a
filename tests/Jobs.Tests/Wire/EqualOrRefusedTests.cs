using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Jobs.Contracts;
using Jobs.Tests.Working;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Wire;

/// <summary>A value arrives equal, or is refused: where it is written as far as it is ours, else where it is read.</summary>
public sealed partial class EqualOrRefusedTests
{
    readonly WireTypes types = new();

    /// <summary>dotnet/runtime #56036, #81597</summary>
    [Fact]
    public void Members_are_read_without_regard_to_case()
    {
        Assert.Equal(new Person("Ann", 3), Read<Person>("""{"name":"Ann","AGE":3,"more":1}"""));
    }

    /// <summary>dotnet/runtime #56036, #81597</summary>
    [Theory]
    [InlineData("{}", "'name'")]
    [InlineData("""{"Name":"Ann"}""", "'age'")]
    [InlineData("""{"Name":null,"Age":3}""", "null")]
    [InlineData("""{"Name":"Ann","Age":"3x"}""", "$.Age")]
    [InlineData("""{"Name":"Ann","Age":3,"name":"Bob"}""", "")]
    [InlineData("[]", "an array")]
    public void What_does_not_fit_is_an_error_that_names_the_place(string json, string reason)
    {
        var thrown = Assert.Throws<JobFormatException>(() => Read<Person>(json));
        Assert.StartsWith("Task 't', parameter 'p'", thrown.Message, StringComparison.Ordinal);
        Assert.Contains(reason, thrown.Message, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The serializer makes a struct by its default constructor. (dotnet/runtime #56036, #81597)</summary>
    [Fact]
    public void A_record_struct_is_not_made_up_of_a_message_that_lacks_its_members()
    {
        Assert.Equal(new Place("Ulm", 3), Read<Place>("""{"name":"Ulm","size":3}"""));
        Assert.Throws<JobFormatException>(() => Read<Place>("{}"));
        Assert.Throws<JobFormatException>(() => Read<List<Place>>("""[{"Name":"Ulm"}]"""));
    }

    /// <summary>Hangfire #1961, dotnet/runtime #54188</summary>
    [Fact]
    public void A_subclass_that_would_lose_what_is_its_own_is_refused_at_any_depth()
    {
        var dog = new Dog("Rex", "Collie");
        Refused<Animal>(dog);
        Refused<List<Animal>>([new("Tom"), dog]);
        Refused(new Owner(dog));
        Refused(new Dictionary<int, Owner> { [1] = new(dog) });
        Refused<object>(new List<Animal> { dog });
        Assert.Equal("""{"Name":"Tom"}""", Write(new Animal("Tom")));
        Assert.Equal("""{"Name":"Rex","Breed":"Collie"}""".Length, Write(dog).Length);
        Assert.Equal(new Circle(2), Read<Shape>(Write<Shape>(new Circle(2))));
    }

    /// <summary>Hangfire.Community.Outbox #9, durabletask-dotnet #133, dotnet/runtime #876</summary>
    [Fact]
    public void Values_by_name_whose_members_JSON_does_not_keep_are_refused()
    {
        Refused<object>((1, 2));
        Refused<object>(new BigInteger(7));
        Refused<object>(new Vector3(1, 2, 3));
        Refused<object>(new WithField());
        Refused<object>(new List<object> { (1, 2) });
        Refused(new Holder(new WithField()));
    }

    /// <summary>kombu #1749, #1821</summary>
    [Fact]
    public void Kombus_envelopes_are_read_at_any_depth()
    {
        var meeting = Read<Meeting>("""
            {"At":{"__type__":"datetime","__value__":"2026-01-01T00:00:00+00:00"},"Id":{"__type__":"uuid","__value__":{"hex":"0198a1b2c3d47e5f8a9b0c1d2e3f4a5b"}},
             "Price":{"__type__":"decimal","__value__":"1.10"},"Days":[{"__type__":"date","__value__":"2026-01-02T00:00:00"}]}
            """);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), meeting.At);
        Assert.Equal((new Guid("0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"), 1.10m), (meeting.Id, meeting.Price));
        Assert.Equal([new DateOnly(2026, 1, 2)], meeting.Days);
    }

    /// <summary>kombu #1749; Hangfire #109, azure-functions-durable-extension #934</summary>
    [Fact]
    public void Times_inside_of_records_are_as_times_that_are_parameters()
    {
        Assert.Equal(DateTimeKind.Utc, Read<Times>("""{"Local":"2026-01-01T00:00:00","Offset":"2026-01-01T00:00:00"}""").Local.Kind);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), Read<Times>("""{"Local":"2026-01-01T00:00:00","Offset":"2026-01-01T00:00:00"}""").Offset);
        Assert.Contains("2026-01-01T08:00:00.000000+00:00", Write(new Times(default, new(2026, 1, 1, 10, 0, 0, TimeSpan.FromHours(2)))), StringComparison.Ordinal);

        var sentinels = new Times(DateTime.MaxValue, DateTimeOffset.MaxValue);
        Assert.Equal((DateTime.MaxValue.Ticks, DateTimeOffset.MaxValue), (Read<Times>(Write(sentinels)).Local.Ticks, Read<Times>(Write(sentinels)).Offset));
        Assert.Equal(DateTimeOffset.MaxValue, Read<List<DateTimeOffset>>(Write(new List<DateTimeOffset> { DateTimeOffset.MaxValue }))[0]);
        Assert.Equal(TimeOnly.MaxValue, Read<List<TimeOnly>>(Write(new List<TimeOnly> { TimeOnly.MaxValue }))[0]);
    }

    [Fact]
    public void Keys_of_dictionaries_inside_of_records_are_as_values()
    {
        var keyed = new Keyed(new() { ["a\"ä"] = 1 }, new() { [new("0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")] = 2 }, new() { [new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc)] = 3 }, new() { [1.50m] = 4 });
        var read = Read<Keyed>(Write(keyed));
        Assert.Equal((1, 2, 3, 4), (read.Texts["a\"ä"], read.Ids.Values.Single(), read.Times[new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc)], read.Prices[1.5m]));
        Assert.Equal(keyed.Ids, read.Ids);
        Refused(new Keyed(new() { ["\ud800"] = 1 }, [], [], []));
    }

    [Fact]
    public void A_document_keeps_names_that_differ_by_case()
    {
        var read = Read<System.Text.Json.Nodes.JsonObject>("""{"id":1,"ID":2}""");
        Assert.Equal((1, 2), ((int)read["id"]!, (int)read["ID"]!));
        Assert.Null(Read<System.Text.Json.Nodes.JsonObject>("""{"id":1}""")["ID"]);
    }

    /// <summary>dotnet/runtime #107535, dotnet/aspnetcore #52642, wolverine #717</summary>
    [Fact]
    public void The_options_of_a_JSON_context_count_for_its_types()
    {
        types.Add(Snake.Default);
        Assert.Equal("""{"first_name":"Ann","born":{"year":2000}}""", Write(new Named("Ann", new(2000))));
        Assert.Equal(new("Ann", new(2000)), Read<Named>("""{"first_name":"Ann","born":{"year":2000}}"""));
        Assert.Equal("""{"Name":"Tom"}""", Write(new Animal("Tom"))); // not one of its types
        Assert.Throws<JobFormatException>(() => Read<Named>("""{"first_name":"Ann"}"""));
    }

    [Fact]
    public void What_is_nested_as_deep_as_it_may_be_written_can_be_read_and_what_is_deeper_is_refused()
    {
        var (deepest, deeper) = (Nested(WireTypes.MaxDepth - 2), Nested(WireTypes.MaxDepth - 1));
        Assert.Equal(deepest.GetRawText(), Encoding.UTF8.GetString(JobBody.Read(JobBody.Write("t", new ValueArguments([deepest], null), types)).Arguments.Span)[1..^1]);
        Assert.Throws<ArgumentException>(() => JobBody.Write("t", new ValueArguments([deeper], null), types));

        static JsonElement Nested(int depth) => JsonElement.Parse(new string('[', depth) + new string(']', depth), new() { MaxDepth = 1000 });
    }

    [Fact]
    public void Text_that_is_no_text_is_refused_or_arrives()
    {
        foreach (var text in new[] { "\ud800", "a\udc00b", "\ud83d\ude00", "\0", "\u2028\"\\</script>" })
        {
            byte[]? body = null;
            try
            {
                body = JobBody.Write("t", new ValueArguments([text], null), types);
            }
            catch (ArgumentException)
            {
                continue;
            }

            Assert.Equal(text, JsonElement.Parse(JobBody.Read(body).Arguments.Span)[0].GetString());
        }
    }

    /// <summary>Utf8StringInterpolation #19</summary>
    [Fact]
    public async Task A_sequence_that_enqueues_while_it_is_enumerated_runs_once_and_both_bodies_are_whole()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("audit"));
        var runs = 0;
        var job = new Job("batch", [Ids()], new Dictionary<string, object?> { ["more"] = Ids() });
        Assert.Equal(2, runs);
        await host.EnqueueAsync(job with { Id = "1" });
        await host.EnqueueAsync(job with { Id = "2" });
        Assert.Equal(job, job with { });

        Assert.Equal(2, runs);
        Assert.All(host.Transport.Published.Where(p => p.Message.Headers.Task == "batch"), p =>
            Assert.StartsWith("""[[[1,2]],{"more":[1,2]},""", Encoding.UTF8.GetString(p.Message.Body.Span), StringComparison.Ordinal));
        Assert.Equal(4, host.Transport.Published.Count(p => p.Message.Headers.Task == "audit"));

        IEnumerable<int> Ids()
        {
            runs++;
            for (var i = 1; i <= 2; i++)
            {
                host.Dispatcher.EnqueueAsync(new Job("audit", ["x"]), TestContext.Current.CancellationToken).GetAwaiter().GetResult();
                yield return i;
            }
        }
    }

    /// <summary>celery #9835, celery-php #47</summary>
    [Theory]
    [InlineData("chord", """{"task":"py.body"}""", "It is part of a chord")]
    [InlineData("chain", """[{"task":"celery.chord","kwargs":{},"subtask_type":"chord"}]""", "It asks for a chord")]
    [InlineData("callbacks", """[{"task":"celery.group","kwargs":{"tasks":[]},"subtask_type":"group"}]""", "It asks for a group")]
    [InlineData("callbacks", """[{"task":"celery.chain","kwargs":{"tasks":[{"task":"a"}]},"options":{"link":[{"task":"b"}]},"subtask_type":"chain"}]""", "It asks for a chain to follow that has a 'link'")]
    [InlineData("errbacks", """[{"args":[]}]""", "It asks for a job to follow that has no 'task'")]
    [InlineData("chain", """[{"task":"py.next","args":{}}]""", "It asks for task 'py.next' to follow, whose 'args' are Object")]
    [InlineData("chain", "7", "It asks for a job to follow that has no 'task'")]
    public async Task A_job_that_asks_for_what_cannot_be_honoured_is_a_dead_letter_and_does_not_run(string word, string value, string reason)
    {
        var task = TestTask.Returning("t");
        await using var host = await JobsHost.StartAsync(task);
        await host.SendAsync(TestMessage.Of(id: "j", task: "t", body: $$"""[[],{},{"callbacks":null,"{{word}}":{{value}},"other":1}]"""));
        await host.SendAsync(TestMessage.Of(id: "k", task: "t", body: $$"""[[],{},{"{{word}}":[]}]"""));

        Assert.StartsWith(reason, (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason), StringComparison.Ordinal);
        await host.AckedAsync("k");
        Assert.Equal(1, task.Runs);
    }

    T Read<T>(string json)
    {
        var reader = new ArgumentReader("t", Encoding.UTF8.GetBytes($"[{json}]"), "{}"u8, ["p"], types);
        reader.Require();
        return reader.GetObject<T>();
    }

    string Write<T>(T value)
    {
        var body = JobBody.Write("t", new One<T>(value), types);
        return Encoding.UTF8.GetString(JobBody.Read(body).Arguments.Span)[1..^1];
    }

    void Refused<T>(T value) => Assert.Throws<ArgumentException>(() => Write(value));

    sealed class One<T>(T value) : JobArguments
    {
        public override void WritePositional(ArgumentWriter writer) => writer.WriteObject(value);
    }

    record Person(string Name, int Age);

    readonly record struct Place(string Name, int Size, string? Note = null);

    record Keyed(Dictionary<string, int> Texts, Dictionary<Guid, int> Ids, Dictionary<DateTime, int> Times, Dictionary<decimal, int> Prices);

    record Animal(string Name);

    record Dog(string Name, string Breed) : Animal(Name);

    record Owner(Animal Pet);

    [JsonDerivedType(typeof(Circle), "circle")]
    abstract record Shape;

    record Circle(int Radius) : Shape;

    struct WithField
    {
        public int X = 1;

        public WithField()
        {
        }
    }

    record Holder(WithField Value);

    record Meeting(DateTimeOffset At, Guid Id, decimal Price, List<DateOnly> Days);

    record Times(DateTime Local, DateTimeOffset Offset);

    internal record Named(string FirstName, Birth Born);

    internal record Birth(int Year);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
    [JsonSerializable(typeof(Named))]
    internal sealed partial class Snake : JsonSerializerContext;
}
