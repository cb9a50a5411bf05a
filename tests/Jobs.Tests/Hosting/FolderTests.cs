using System.Reflection;
using Jobs.Contracts;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>Which folder of the core may know which: the table of <c>src/Jobs/README.md</c>, read off the compiled types.</summary>
public sealed class FolderTests(ITestOutputHelper output)
{
    const string Root = ""; // what users type: may be used everywhere, and may use everything

    static readonly string[] parts = ["Wire", "Diagnostics", "Registry", "Transport", "Dispatching", "Canvas", "Results", "Events"];

    static readonly Dictionary<string, string[]> allowed = new()
    {
        ["Wire"] = [],
        ["Diagnostics"] = [],
        ["Registry"] = ["Wire"],
        ["Transport"] = ["Wire"],
        ["Settings"] = [],
        ["Events"] = ["Wire", "Diagnostics", "Registry", "Transport", "Settings"],
        ["Dispatching"] = ["Wire", "Diagnostics", "Registry", "Transport", "Settings", "Results", "Events"],
        ["Canvas"] = ["Wire", "Diagnostics", "Registry", "Transport"],
        ["Results"] = ["Wire", "Diagnostics", "Registry", "Transport"],
        ["Working"] = [.. parts, "Control"],
        ["Control"] = parts,
        ["Inspection"] = [.. parts, "Control"],
        ["Beat"] = [.. parts, "Settings"],
        ["Health"] = [.. parts, "Working", "Control", "Inspection", "Beat"],
    };

    /// <summary>What is not yet as the table says. An entry that is not needed any more fails the test, so that it is deleted.</summary>
    static readonly string[] known = [];

    static readonly (Type From, Type To)[] uses =
    [
        .. from type in typeof(IJobDispatcher).Assembly.GetTypes()
           from other in TypeDependencies.Of(type)
           where other.Assembly == type.Assembly && Folder(other) != Folder(type)
           select (type, other),
    ];

    [Fact]
    public void Dependencies_point_one_way()
    {
        var wrong = uses.Where(u => Folder(u.From) != Root && Folder(u.To) != Root && !allowed[Folder(u.From)].Contains(Folder(u.To))).Select(u => $"{Name(u.From)} -> {Name(u.To)}").Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(known, wrong);
    }

    [Fact]
    public void Every_folder_is_in_the_table() => Assert.DoesNotContain(
        typeof(IJobDispatcher).Assembly.GetTypes().Select(Folder).Distinct(),
        folder => folder != Root && !allowed.ContainsKey(folder));

    /// <summary>Not a rule yet; read it to see what the parts take from the root.</summary>
    [Fact]
    public void What_the_folders_take_from_the_root_is_listed()
    {
        var lists = uses.Where(u => Folder(u.From) != Root && Folder(u.To) == Root && u.To.Namespace == "Jobs").GroupBy(u => Folder(u.From), u => Name(u.To)).ToArray();
        Assert.NotEmpty(lists);
        foreach (var list in lists.OrderBy(l => l.Key, StringComparer.Ordinal))
        {
            output.WriteLine($"{list.Key}: {string.Join(", ", list.Distinct().Order(StringComparer.Ordinal))}");
        }
    }

    [Theory]
    [InlineData(typeof(Uri))] // base, field, signature
    [InlineData(typeof(Version))]
    [InlineData(typeof(Guid))]
    [InlineData(typeof(Lazy<>))] // bodies
    [InlineData(typeof(BitConverter))]
    [InlineData(typeof(TimeZoneInfo))]
    [InlineData(typeof(FormatException))]
    [InlineData(typeof(Wait))]
    public void The_test_sees_what_a_type_mentions(Type mentioned) =>
        Assert.Contains(mentioned, typeof(Sample).GetNestedTypes(BindingFlags.NonPublic).Append(typeof(Sample)).SelectMany(TypeDependencies.Of));

    // A nested type, as those of lambdas and state machines are, has its outer type's namespace. Extension methods lie in Microsoft's namespaces.
    static string Folder(Type type) => type.Namespace is { } space && space.StartsWith("Jobs.", StringComparison.Ordinal) ? space.Split('.')[1] : Root;

    static string Name(Type type)
    {
        while (type.DeclaringType is { } outer)
        {
            type = outer;
        }

        return $"{Folder(type)}.{type.Name}".TrimStart('.');
    }

    abstract class Sample(Version version) : List<Uri[]>
    {
        public Version Version => version;

        public abstract Task<Dictionary<string, Guid?>> AskAsync();

        public static async Task<object> RunAsync(int number)
        {
            await Wait.PauseAsync();
            Func<object> body = () => number switch
            {
                0 => new Lazy<int>(number),
                1 => BitConverter.GetBytes(number),
                2 => typeof(TimeZoneInfo),
                _ => number,
            };
            try
            {
                return body();
            }
            catch (FormatException)
            {
                return 0;
            }
        }
    }
}
