using System.Collections.Immutable;
using System.Text.Json;
using Jobs.Tests.Generators;
using Xunit;

namespace Jobs.Tests.Dispatching;

/// <summary>Two jobs that ask for the same are equal, so that the <c>Verify</c> of a mock finds them.</summary>
public sealed class JobEqualityTests
{
    [Fact]
    public void An_option_that_was_taken_back_was_never_set()
    {
        var job = new Job("t") with { Id = "1", Delay = TimeSpan.FromSeconds(1), Priority = 5 };
        Assert.NotEqual(new Job("t"), job);
        Assert.Equal(new Job("t") with { Priority = 5 }, job with { Id = null, Delay = null });
        var back = job with { Id = null, Delay = null, Priority = null };
        Assert.Equal(new Job("t"), back);
        Assert.Equal(new Job("t").GetHashCode(), back.GetHashCode());
    }

    [Fact]
    public void Typed_jobs_are_equal_when_their_arguments_are()
    {
        AssertEqual(EveryTypeJobs.Injected(1), EveryTypeJobs.Injected(1));
        AssertDifferent(EveryTypeJobs.Injected(1), EveryTypeJobs.Injected(2));
        AssertEqual(ReturnJobs.Value(), ReturnJobs.Value());
        AssertDifferent(ReturnJobs.Nothing(), ReturnJobs.Task());
    }

    [Fact]
    public void Collections_and_records_compare_by_content()
    {
        AssertEqual(Nested(1, "a", "b"), Nested(1, "a", "b"));
        AssertDifferent(Nested(1, "a", "b"), Nested(2, "a", "b"));
        AssertEqual(Nested(1, "a", "b"), Nested(1, "b", "a")); // the order of a map is no content
        AssertDifferent(EveryTypeJobs.Rest(1, 2), EveryTypeJobs.Rest(2, 1)); // that of an array is
        AssertEqual(EveryTypeJobs.Texts('x', "", null, default, [1], null), EveryTypeJobs.Texts('x', "", null, default, [1], null));

        static Job Nested(int number, string first, string second) =>
            EveryTypeJobs.Nested([[number]], [new() { [first] = [Colour.Red], [second] = [Colour.Red] }], [new(1, 2)]);
    }

    [Fact]
    public void Jobs_by_name_compare_the_items_of_their_collections_and_their_keywords()
    {
        AssertEqual(ByName(1, "x"), ByName(1, "x"));
        AssertDifferent(ByName(1, "x"), ByName(2, "x"));
        AssertDifferent(ByName(1, "x"), ByName(1, "y"));
        AssertDifferent(new Job("t", ["x"]), new Job("u", ["x"]));
        AssertDifferent(new Job("t", ["x"]), new Job<int>("t", ["x"]));
        AssertEqual(new Job("t", [1.0m, JsonElement.Parse("\"x\"")]), new Job("t", [1, "x"])); // they travel alike

        static Job ByName(int number, string text) =>
            new("t", [new[] { number }, new Dictionary<string, object?> { ["a"] = number }], new Dictionary<string, object?> { ["k"] = new List<string> { text } });
    }

    [Fact]
    public void Options_are_compared_too()
    {
        var headers = new Dictionary<string, object?> { ["a"] = 1, ["b"] = null };
        var job = EveryTypeJobs.Injected(1) with { Delay = TimeSpan.FromMinutes(1), Headers = headers };

        AssertEqual(job, job with { });
        AssertEqual(job, EveryTypeJobs.Injected(1) with { Delay = TimeSpan.FromMinutes(1), Headers = ImmutableSortedDictionary<string, object?>.Empty.Add("b", null).Add("a", 1) });
        AssertDifferent(job, job with { Delay = null });
        AssertDifferent(job, job with { Id = "1" });
        AssertDifferent(job, job with { Headers = null });
        AssertDifferent(job, job with { Headers = new Dictionary<string, object?> { ["a"] = 1 } });
        AssertDifferent(job, job with { Headers = new Dictionary<string, object?> { ["a"] = 1, ["c"] = null } });
    }

    [Fact]
    public void A_job_that_cannot_be_written_equals_itself_and_no_other()
    {
        var job = new Job("t", [typeof(int)]);

        AssertEqual(job, job with { });
        Assert.NotEqual(job, new Job("t", [typeof(int)]));
    }

    static void AssertEqual(Job one, Job other)
    {
        Assert.Equal(one, other);
        Assert.True(one == other);
        Assert.Equal(one.GetHashCode(), other.GetHashCode());
    }

    static void AssertDifferent(Job one, Job other)
    {
        Assert.NotEqual(one, other);
        Assert.NotEqual(one.GetHashCode(), other.GetHashCode());
    }
}
