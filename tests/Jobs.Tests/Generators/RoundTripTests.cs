using System.Collections.Immutable;
using System.Text.Json;
using Jobs.Registry;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Generators;

public sealed class RoundTripTests
{
    static readonly Guid id = new("0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");

    [Fact]
    public async Task Integers_come_back_at_both_ends_of_their_range()
    {
        object?[] smallest = [byte.MinValue, sbyte.MinValue, short.MinValue, ushort.MinValue, int.MinValue, uint.MinValue, long.MinValue, ulong.MinValue, nint.MinValue, nuint.MinValue];
        object?[] largest = [byte.MaxValue, sbyte.MaxValue, short.MaxValue, ushort.MaxValue, int.MaxValue, uint.MaxValue, long.MaxValue, ulong.MaxValue, nint.MaxValue, nuint.MaxValue];

        Assert.Equal(smallest, await Call.RoundTripAsync(EveryTypeJobs.Integers(0, sbyte.MinValue, short.MinValue, 0, int.MinValue, 0, long.MinValue, 0, nint.MinValue, 0)));
        Assert.Equal(largest, await Call.RoundTripAsync(EveryTypeJobs.Integers(
            byte.MaxValue, sbyte.MaxValue, short.MaxValue, ushort.MaxValue, int.MaxValue, uint.MaxValue, long.MaxValue, ulong.MaxValue, nint.MaxValue, nuint.MaxValue)));
    }

    [Theory]
    [InlineData(1.5f, double.Epsilon, "[1.5,5E-324,1.10,true]")]
    [InlineData(float.MaxValue, double.MaxValue, null)]
    [InlineData(float.NaN, double.NaN, "[\"NaN\",\"NaN\",1.10,true]")]
    [InlineData(float.PositiveInfinity, double.PositiveInfinity, "[\"Infinity\",\"Infinity\",1.10,true]")]
    [InlineData(float.NegativeInfinity, double.NegativeInfinity, "[\"-Infinity\",\"-Infinity\",1.10,true]")]
    public async Task Numbers_come_back(float single, double number, string? json)
    {
        var job = EveryTypeJobs.Numbers(single, number, 1.10m, true);

        Assert.Equal(json ?? Call.Written(job), Call.Written(job));
        Assert.Equal([single, number, 1.10m, true], await Call.RoundTripAsync(job));
    }

    [Fact]
    public async Task Texts_and_bytes_come_back()
    {
        var job = EveryTypeJobs.Texts('"', "žluťoučký \0 \"🐎\"", null, id, [0, 255, 7], []);

        Assert.Equal(['"', "žluťoučký \0 \"🐎\"", null, id, new byte[] { 0, 255, 7 }, Array.Empty<byte>()], await Call.RoundTripAsync(job));
        Assert.EndsWith($",null,\"{id}\",\"AP8H\",\"\"]", Call.Written(job), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Times_are_written_as_Python_reads_them()
    {
        var time = new DateTimeOffset(2026, 2, 3, 4, 5, 6, TimeSpan.FromHours(2)).AddTicks(1234567);
        var job = EveryTypeJobs.Times(time.UtcDateTime, time, new(2026, 2, 3), new TimeOnly(23, 59, 58).Add(TimeSpan.FromMilliseconds(1)), TimeSpan.FromDays(-1.5));

        Assert.Equal("""["2026-02-03T02:05:06.123456+00:00","2026-02-03T02:05:06.123456+00:00","2026-02-03","23:59:58.001000","-1.12:00:00"]""", Call.Written(job));
        var received = await Call.RoundTripAsync(job);
        var expected = time.AddTicks(-7); // microseconds
        Assert.Equal([expected.UtcDateTime, expected.ToUniversalTime(), new DateOnly(2026, 2, 3), new TimeOnly(23, 59, 58, 1), TimeSpan.FromDays(-1.5)], received);
        Assert.Equal(DateTimeKind.Utc, ((DateTime)received[0]!).Kind);
    }

    [Fact]
    public void A_time_without_a_kind_is_written_as_UTC_and_a_local_one_is_converted()
    {
        var unspecified = new DateTime(2026, 7, 1, 12, 0, 0, DateTimeKind.Unspecified);
        Assert.Contains("2026-07-01T12:00:00.000000+00:00", Call.Written(EveryTypeJobs.Times(unspecified, default, default, default, default)), StringComparison.Ordinal);

        var local = DateTime.SpecifyKind(unspecified, DateTimeKind.Local);
        Assert.Contains($"{local.ToUniversalTime():yyyy-MM-ddTHH:mm:ss}.000000+00:00", Call.Written(EveryTypeJobs.Times(local, default, default, default, default)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Enums_travel_by_name_and_otherwise_by_number()
    {
        var job = EveryTypeJobs.Enums(Colour.Azure, null, Rights.Read | Rights.Write, Big.Min, Small.@class);

        Assert.Equal("""["Blue",null,3,"Min","class"]""", Call.Written(job));
        Assert.Equal([Colour.Blue, null, Rights.Read | Rights.Write, Big.Min, Small.@class], await Call.RoundTripAsync(job));
        Assert.Equal(
            [Colour.Blue, Colour.Green, Rights.All, (Big)5, (Small)(-128)],
            await Call.ReceivedAsync(job.Definition!, """["Azure","Green","All",5,-128]"""));
        Assert.Equal(Rights.All - 1, (await Call.RoundTripAsync(EveryTypeJobs.Enums(Colour.Red, null, Rights.All - 1, default, default)))[2]);
    }

    [Fact]
    public async Task Nullables_take_a_value_or_null()
    {
        var time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        Assert.Equal(new object?[8], await Call.RoundTripAsync(EveryTypeJobs.Nullables(null, null, null, null, null, null, null, null)));
        Assert.Equal(
            [1, false, double.NaN, id, time, TimeSpan.MaxValue, new Point(1, 2), 'x'],
            await Call.RoundTripAsync(EveryTypeJobs.Nullables(1, false, double.NaN, id, time, TimeSpan.MaxValue, new Point(1, 2), 'x')));
    }

    [Fact]
    public async Task Collections_come_back_as_what_they_were()
    {
        var job = EveryTypeJobs.Lists(
            [1, 2], ["a", null], [3L], [0.5], [id], [Colour.Red], [4, null],
            ["x", "y"], new HashSet<int> { 5 }, new HashSet<int>(), ["z"], null);

        var received = await Call.RoundTripAsync(job);

        Assert.Equal(
            [
                new[] { 1, 2 }, new List<string?> { "a", null }, new List<long> { 3 }, new List<double> { 0.5 }, new List<Guid> { id }, new List<Colour> { Colour.Red }, new List<int?> { 4, null },
                new HashSet<string> { "x", "y" }, new HashSet<int> { 5 }, new HashSet<int>(), ImmutableArray.Create("z"), null,
            ],
            received);
        Assert.IsType<int[]>(received[0]);
        Assert.IsType<HashSet<int>>(received[8]);
        Assert.IsType<ImmutableArray<string>>(received[10]);
    }

    [Fact]
    public void A_default_immutable_array_is_written_as_an_empty_one() =>
        Assert.Contains(",[],[7]]", Call.Written(EveryTypeJobs.Lists([], [], [], [], [], [], [], [], new HashSet<int>(), new HashSet<int>(), default, [7])), StringComparison.Ordinal);

    [Fact]
    public async Task Maps_come_back()
    {
        var received = await Call.RoundTripAsync(EveryTypeJobs.Maps(
            new() { ["a\"b"] = 1 },
            new Dictionary<string, string?> { ["c"] = null },
            new Dictionary<string, Dictionary<string, int[]?>> { ["d"] = new() { ["e"] = [1], ["f"] = null } },
            new() { [7] = "seven" }));

        Assert.Equal(1, Assert.IsType<Dictionary<string, int>>(received[0])["a\"b"]);
        Assert.Null(Assert.IsType<Dictionary<string, string?>>(received[1])["c"]);
        Assert.Equal([1], Assert.IsType<Dictionary<string, Dictionary<string, int[]?>>>(received[2])["d"]["e"]!);
        Assert.Equal("seven", Assert.IsType<Dictionary<int, string>>(received[3])[7]);
    }

    [Fact]
    public async Task Collections_of_collections_come_back()
    {
        var received = await Call.RoundTripAsync(EveryTypeJobs.Nested([[1], [], [2, 3]], [new() { ["a"] = [Colour.Green, null] }], [new(1, 2)]));

        Assert.Equal(new int[][] { [1], [], [2, 3] }, (int[][])received[0]!);
        Assert.Equal([Colour.Green, null], ((List<Dictionary<string, List<Colour?>>>)received[1]!)[0]["a"]);
        Assert.Equal(new Point[] { new(1, 2) }, received[2]);
    }

    [Fact]
    public async Task Other_types_go_through_System_Text_Json()
    {
        var order = new Order(1, ["a"]);
        var received = await Call.RoundTripAsync(EveryTypeJobs.Objects(order, null, new(3, 4), JsonDocument.Parse("null").RootElement, "text", new("http://localhost/")));

        Assert.Equal(order, received[0]);
        Assert.Null(received[1]);
        Assert.Equal(new Point(3, 4), received[2]);
        Assert.Equal(JsonValueKind.Null, ((JsonElement)received[3]!).ValueKind);
        Assert.Equal("text", ((JsonElement)received[4]!).GetString());
        Assert.Equal(new Uri("http://localhost/"), received[5]);
    }

    /// <summary>What makes a new parameter harmless: jobs from before it do not name it. (The ungated upgrade)</summary>
    [Fact]
    public async Task Defaults_are_the_methods_own()
    {
        object?[] expected =
            [7, "say \"hi\"\n", '\'', long.MinValue, -0.5, float.NaN, 1.10m, Colour.Blue, Colour.Green, null, null, Guid.Empty, null, true, ulong.MaxValue];

        Assert.Equal(expected, await Call.RoundTripAsync(EveryTypeJobs.Defaults(7)));
        Assert.Equal(expected, await Call.ReceivedAsync(EveryTypeJobs.Defaults(7).Definition!, "[7]"));
        Assert.Equal(expected, await Call.ReceivedAsync(EveryTypeJobs.Defaults(7).Definition!, "[]", """{"required":7}"""));
    }

    [Fact]
    public async Task Positional_and_keyword_arguments_mix_in_any_order()
    {
        var received = await Call.ReceivedAsync(EveryTypeJobs.Defaults(0).Definition!, """[7,"x"]""", """{"flag":false,"none":3,"colour":"Red","price":"2.5"}""");

        Assert.Equal([7, "x", '\'', long.MinValue, -0.5, float.NaN, 2.5m, Colour.Red, Colour.Green, 3, null, Guid.Empty, null, false, ulong.MaxValue], received);
    }

    [Fact]
    public async Task Parameters_may_have_the_names_that_generated_code_uses()
    {
        var received = await Call.RoundTripAsync(EveryTypeJobs.Names(1, 2, 3, 4, 5, [6], 7, [8], 9, 10, Colour.Red, 11));

        Assert.Equal([1, 2, 3, 4, 5, new List<int> { 6 }, 7, new[] { 8 }, 9, 10, Colour.Red, 11], received);
        Assert.Equal(10, (await Call.ReceivedAsync(EveryTypeJobs.Names(0, 0, 0, 0, 0, [], 0, [], 0, 0, 0, 0).Definition!, "[1,2,3,4,5,[6],7,[8],9]", """{"class":10,"name0":0,"number0":11}"""))[9]);
    }

    [Fact]
    public async Task Params_stay_params() => Assert.Equal([new[] { 1, 2, 3 }], await Call.RoundTripAsync(EveryTypeJobs.Rest(1, 2, 3)));

    [Fact]
    public async Task Kombus_envelopes_are_read()
    {
        var text = EveryTypeJobs.Texts('a', "", null, id, [], null).Definition!;
        var times = EveryTypeJobs.Times(default, default, default, default, default).Definition!;
        var numbers = EveryTypeJobs.Numbers(0, 0, 0, false).Definition!;

        Assert.Equal(
            ['a', "b", null, id, "hi"u8.ToArray(), new byte[] { 255 }],
            await Call.ReceivedAsync(text, $$$"""
                ["a","b",null,{"__type__":"uuid","__value__":{"hex":"{{{id:N}}}"}},{"__type__":"bytes","__value__":"hi"},{"__type__":"base64","__value__":"/w=="}]
                """));
        Assert.Equal(
            [
                new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1)), new DateOnly(2026, 1, 2), new TimeOnly(3, 4, 5), TimeSpan.FromSeconds(1.5),
            ],
            await Call.ReceivedAsync(times, """
                [{"__type__":"datetime","__value__":"2026-01-02T03:04:05"},{"__type__":"datetime","__value__":"2026-01-02T03:04:05+01:00"},
                 {"__type__":"date","__value__":"2026-01-02T00:00:00"},{"__type__":"time","__value__":"03:04:05"},1.5]
                """));
        Assert.Equal([1f, 2d, 3.1400m, true], await Call.ReceivedAsync(numbers, """[1,2,{"__type__":"decimal","__value__":"3.1400"},true]"""));
    }

    [Fact]
    public async Task Kombus_envelopes_are_read_inside_collections()
    {
        var lists = EveryTypeJobs.Lists([], [], [], [], [], [], [], [], new HashSet<int>(), new HashSet<int>(), [], null).Definition!;
        var received = await Call.ReceivedAsync(lists, $$$"""[[],[],[],[],[{"__type__":"uuid","__value__":{"hex":"{{{id:N}}}"}},"{{{id}}}"],[],[],[],[],[],[],null]""");

        Assert.Equal(new[] { id, id }, received[4]);
    }

    [Fact]
    public async Task Context_and_token_are_injected_and_never_sent()
    {
        var job = EveryTypeJobs.Injected(41);

        Assert.Equal("[41]", Call.Written(job));
        Assert.Equal(42, await Call.ResultAsync(job));
        var received = await Call.RoundTripAsync(job);
        var context = Assert.IsType<JobContext>(received[0]);
        Assert.Equal("every_type.injected", context.TaskName);
        Assert.Equal(context.CancellationToken, received[2]);
    }

    [Fact]
    public async Task Every_return_type_gives_a_job_of_its_result()
    {
        Job nothing = ReturnJobs.Nothing(), task = ReturnJobs.Task(), valueTask = ReturnJobs.ValueTask();
        Assert.All([nothing, task, valueTask], job => Assert.Equal(typeof(Job), job.GetType()));
        Assert.Equal("value", await Call.ResultAsync(ReturnJobs.Value()));
        Assert.Equal(1, await Call.ResultAsync(ReturnJobs.TaskOf()));
        Assert.Equal([null], await Call.ResultAsync(ReturnJobs.ValueTaskOf()));
    }

    [Fact]
    public void A_factory_is_a_method_group() =>
        Assert.Equal(["[1]", "[2]"], new[] { 1, 2 }.Select(EveryTypeJobs.Injected).Select(Call.Written));

    [Fact]
    public void A_null_that_the_task_does_not_take_fails_at_the_caller() =>
        Assert.Equal("b", Assert.Throws<ArgumentNullException>(() => EveryTypeJobs.Texts('a', null!, null, id, [], null)).ParamName);

    [Fact]
    public void Only_what_the_attribute_says_is_set()
    {
        var full = StaticJobs.Add().Definition!;
        Assert.Equal(("static.add", "maths", 0, TimeSpan.FromSeconds(1.5), TimeSpan.FromSeconds(90)), (full.Name, full.Queue, full.MaxRetries, full.RetryDelay, full.MaxRetryDelay));
        Assert.Equal(((byte)9, TimeSpan.FromSeconds(60), true, typeof(StaticTasks)), (full.Priority, full.Expires, full.AckEarly, full.Class));
        Assert.Equal(["old.add"], full.Aliases);
        Assert.Equal(
            [
                new TaskSchedule { Cron = "0 3 * * *", TimeZone = "Europe/London", Name = "nightly", Misfire = MisfirePolicy.All },
                new TaskSchedule { Every = TimeSpan.FromSeconds(90) },
            ],
            full.Schedules);

        var bare = ReturnJobs.TaskOf().Definition!;
        Assert.Equal("return.task_of", bare.Name);
        Assert.True(bare is { Queue: null, MaxRetries: null, RetryDelay: null, MaxRetryDelay: null, Priority: null, Expires: null, AckEarly: false, Aliases.Count: 0, Schedules.Count: 0 });
    }

    [Fact]
    public void Modules_may_be_added_twice()
    {
        var services = new ServiceCollection();
        new JobsBuilder(services).AddTasks().AddTasks<EveryTypeTasks>().AddTasks();
        using var provider = services.BuildServiceProvider();

        Assert.Single(services, s => s.ServiceType == typeof(EveryTypeTasks) && s.Lifetime == ServiceLifetime.Scoped);
        Assert.DoesNotContain(services, s => s.ServiceType == typeof(StaticTasks));
        Assert.Same(StaticJobs.Add().Definition, new TaskRegistry(provider.GetServices<TaskDefinition>()).Find("old.add"));
    }
}
