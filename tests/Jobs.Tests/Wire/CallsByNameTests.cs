using System.Collections.Immutable;
using System.Dynamic;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Jobs.Tests.Generators;
using Xunit;

namespace Jobs.Tests.Wire;

/// <summary>A call by name is written as the generated code for the same values writes it.</summary>
public sealed class CallsByNameTests
{
    static readonly Guid id = new("0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");
    static readonly DateTimeOffset time = new DateTimeOffset(2026, 2, 3, 4, 5, 6, TimeSpan.FromHours(2)).AddTicks(1234567);

    [Fact]
    public void Integers() => AssertSame(
        EveryTypeJobs.Integers(byte.MaxValue, sbyte.MinValue, short.MinValue, ushort.MaxValue, int.MinValue, uint.MaxValue, long.MinValue, ulong.MaxValue, nint.MinValue, nuint.MaxValue),
        byte.MaxValue, sbyte.MinValue, short.MinValue, ushort.MaxValue, int.MinValue, uint.MaxValue, long.MinValue, ulong.MaxValue, nint.MinValue, nuint.MaxValue);

    [Theory]
    [InlineData(0.1f, 0.1)]
    [InlineData(float.NaN, double.NaN)]
    [InlineData(float.PositiveInfinity, double.NegativeInfinity)]
    public void Numbers(float single, double number) => AssertSame(EveryTypeJobs.Numbers(single, number, 1.10m, true), single, number, 1.10m, true);

    [Fact]
    public void Texts_and_bytes() => AssertSame(EveryTypeJobs.Texts('"', "ž \0 \"🐎\"", null, id, [0, 255], []), '"', "ž \0 \"🐎\"", null, id, new byte[] { 0, 255 }, Array.Empty<byte>());

    [Theory]
    [InlineData(DateTimeKind.Utc)]
    [InlineData(DateTimeKind.Local)]
    [InlineData(DateTimeKind.Unspecified)]
    public void Times(DateTimeKind kind)
    {
        var date = DateTime.SpecifyKind(time.UtcDateTime, kind);
        AssertSame(
            EveryTypeJobs.Times(date, time, new(2026, 2, 3), new(3, 4, 5, 6), TimeSpan.FromDays(-1.5)),
            date, time, new DateOnly(2026, 2, 3), new TimeOnly(3, 4, 5, 6), TimeSpan.FromDays(-1.5));
    }

    [Fact]
    public void Enums()
    {
        AssertSame(EveryTypeJobs.Enums(Colour.Azure, null, Rights.Read | Rights.Write, Big.Min, Small.@class), Colour.Azure, null, Rights.Read | Rights.Write, Big.Min, Small.@class);
        AssertSame(EveryTypeJobs.Enums((Colour)9, Colour.Red, Rights.All - 1, (Big)5, (Small)(-128)), (Colour)9, Colour.Red, Rights.All - 1, (Big)5, (Small)(-128));
    }

    [Fact]
    public void Collections() => AssertSame(
        EveryTypeJobs.Lists([1], ["a", null], [3], [double.NaN], [id], [Colour.Azure], [4, null], ["x"], new HashSet<int> { 5 }, new HashSet<int>(), ["z"], null),
        new[] { 1 }, new List<string?> { "a", null }, new List<long> { 3 }, new[] { double.NaN }, Ids(), ImmutableList.Create(Colour.Azure), new int?[] { 4, null },
        new HashSet<string> { "x" }, new SortedSet<int> { 5 }, Enumerable.Empty<int>(), ImmutableArray.Create("z"), null);

    static IEnumerable<Guid> Ids()
    {
        yield return id;
    }

    [Fact]
    public void Maps() => AssertSame(
        EveryTypeJobs.Maps(
            new() { ["a\"b"] = 1 }, new Dictionary<string, string?> { ["c"] = null },
            new Dictionary<string, Dictionary<string, int[]?>> { ["d"] = new() { ["e"] = [1], ["f"] = null } }, new() { [7] = "seven" }),
        new SortedDictionary<string, int> { ["a\"b"] = 1 }, new ExpandoObject() as IDictionary<string, object?> is var map && map.TryAdd("c", null) ? map : null,
        ImmutableDictionary<string, Dictionary<string, int[]?>>.Empty.Add("d", new() { ["e"] = [1], ["f"] = null }), new Dictionary<int, string> { [7] = "seven" });

    [Fact]
    public void Objects() => AssertSame(
        EveryTypeJobs.Objects(new(1, ["x"]), null, new(3, 4), JsonElement.Parse("[1]"), time, new("http://localhost/")),
        new Order(1, ["x"]), null, new Point(3, 4), JsonElement.Parse("[1]"), time, new Uri("http://localhost/"));

    [Fact]
    public void An_array_of_signed_bytes_or_of_a_byte_enum_is_no_text_of_base64() =>
        Assert.Equal("""[[-1],["On",0],[1]]""", Call.Written(new Job("t", [new sbyte[] { -1 }, new[] { Switch.On, default }, new List<byte> { 1 }])));

    [Fact]
    public void Items_are_written_as_their_base_type_says() =>
        Assert.Equal("""[[{"$type":"circle","Radius":2}],[{"X":1,"Y":2},null]]""", Call.Written(new Job("t", [new Shape[] { new Circle(2) }, new Point?[] { new(1, 2), null }])));

    [Fact]
    public void Nodes_of_JSON_are_written_as_they_are() =>
        Assert.Equal("""[{"a":[1]},[2],"x"]""", Call.Written(new Job("t", [new JsonObject { ["a"] = new JsonArray(1) }, new JsonArray(2), JsonValue.Create("x")])));

    static void AssertSame(Job typed, params object?[] values) => Assert.Equal(Call.Written(typed), Call.Written(new Job("t", values)));

    enum Switch : byte
    {
        On = 1,
    }

    [JsonDerivedType(typeof(Circle), "circle")]
    abstract record Shape;

    sealed record Circle(int Radius) : Shape;
}
