using System.Collections.Immutable;

namespace Jobs.Tests.Generators;

/// <summary>Compiled with the real generator: one task per group of types, each of which keeps what it was called with.</summary>
public sealed class EveryTypeTasks
{
    public object?[] Received { get; private set; } = [];

    [Task]
    public void Integers(byte a, sbyte b, short c, ushort d, int e, uint f, long g, ulong h, nint i, nuint j) => Received = [a, b, c, d, e, f, g, h, i, j];

    [Task]
    public void Numbers(float a, double b, decimal c, bool d) => Received = [a, b, c, d];

    [Task]
    public void Texts(char a, string b, string? c, Guid d, byte[] e, byte[]? f) => Received = [a, b, c, d, e, f];

    [Task]
    public void Times(DateTime a, DateTimeOffset b, DateOnly c, TimeOnly d, TimeSpan e) => Received = [a, b, c, d, e];

    [Task]
    public void Enums(Colour a, Colour? b, Rights c, Big d, Small e) => Received = [a, b, c, d, e];

    [Task]
    public void Nullables(int? a, bool? b, double? c, Guid? d, DateTime? e, TimeSpan? f, Point? g, char? h) => Received = [a, b, c, d, e, f, g, h];

    [Task]
    public void Lists(
        int[] a, List<string?> b, IList<long> c, IReadOnlyList<double> d, IEnumerable<Guid> e, ICollection<Colour> f, IReadOnlyCollection<int?> g,
        HashSet<string> h, ISet<int> i, IReadOnlySet<int> j, ImmutableArray<string> k, ImmutableArray<int>? l) => Received = [a, b, c, d, e, f, g, h, i, j, k, l];

    [Task]
    public void Maps(Dictionary<string, int> a, IDictionary<string, string?> b, IReadOnlyDictionary<string, Dictionary<string, int[]?>> c, Dictionary<int, string> d) => Received = [a, b, c, d];

    [Task]
    public void Nested(int[][] a, List<Dictionary<string, List<Colour?>>>? b, Point[] c) => Received = [a, b, c];

    [Task]
    public void Objects(Order a, Order? b, Point c, System.Text.Json.JsonElement d, object? e, Uri f) => Received = [a, b, c, d, e, f];

    [Task]
    public void Defaults(
        int required, string text = "say \"hi\"\n", char letter = '\'', long big = long.MinValue, double ratio = -0.5, float nan = float.NaN, decimal price = 1.10m,
        Colour colour = Colour.Blue, Colour? maybe = Colour.Green, int? none = null, string? nothing = null, Guid id = default, string soon = null!, bool flag = true, ulong most = ulong.MaxValue) =>
        Received = [required, text, letter, big, ratio, nan, price, colour, maybe, none, nothing, id, soon, flag, most];

    // Every one of these names is also used by generated code.
    [Task]
    public void Names(int a, int context, int arguments, int target, int writer, List<int> json, int? value0, int[] item0, int list0, int @class, Colour name0, int number0) =>
        Received = [a, context, arguments, target, writer, json, value0, item0, list0, @class, name0, number0];

    [Task]
    public void Rest(params int[] rest) => Received = [rest];

    [Task]
    public int Injected(JobContext job, int number, CancellationToken cancellationToken)
    {
        Received = [job, number, cancellationToken];
        return number + 1;
    }
}

/// <summary>A task of each return type, instance and static; nothing to send.</summary>
public sealed class ReturnTasks
{
    [Task]
    public static void Nothing()
    {
    }

    [Task]
    public static string? Value() => "value";

    [Task]
    public Task TaskAsync() => Task.CompletedTask;

    [Task]
    public async Task<int> TaskOfAsync()
    {
        await Task.Yield();
        return 1;
    }

    [Task]
    public ValueTask ValueTaskAsync() => default;

    [Task]
    public ValueTask<List<string?>> ValueTaskOfAsync() => new([null]);

    [Task]
    public async Task<Dictionary<string, Colour?>> MapAsync()
    {
        await Task.Yield();
        return new() { ["a"] = Colour.Azure, ["b"] = null, ["c"] = (Colour)9 };
    }

    [Task]
    public static Order Record() => new(1, ["x"]);

    [Task]
    public static DateTimeOffset Time() => new DateTimeOffset(2026, 2, 3, 4, 5, 6, TimeSpan.FromHours(2)).AddTicks(1234567);

    [Task]
    public static int[] Missing() => null!;

    [Task]
    public static BrokenResult Broken() => new();
}

public sealed record BrokenResult
{
    public int Value => throw new InvalidOperationException("broken getter");

    public int Other { get; init; }
}

/// <summary>Only static tasks: nothing to register.</summary>
static class StaticTasks
{
    [Task("static.add", Aliases = ["old.add"], Queue = "maths", MaxRetries = 0, RetryDelaySeconds = 1.5, MaxRetryDelaySeconds = 90, Priority = 9, ExpiresSeconds = 60, AckEarly = true)]
    [Cron("0 3 * * *", TimeZone = "Europe/London", Name = "nightly", Misfire = MisfirePolicy.All)]
    [Every(minutes: 1, seconds: 30)]
    public static int Add(int x = 1, int y = 2) => x + y;
}

public enum Colour
{
    Red,
    Green,
    Blue,
    Azure = Blue,
}

[Flags]
public enum Rights : ulong
{
    None,
    Read = 1,
    Write = 2,
    All = ulong.MaxValue,
}

public enum Big : long
{
    Min = long.MinValue,
}

public enum Small : sbyte
{
    @class = -1,
    Zero = 0,
}

public readonly record struct Point(int X, int Y);

public sealed record Order(int Number, string[] Lines)
{
    public bool Equals(Order? other) => other is not null && Number == other.Number && Lines.SequenceEqual(other.Lines);

    public override int GetHashCode() => Number;
}
