using Jobs.Dispatching;
using Xunit;

namespace Jobs.Tests.Dispatching;

public sealed class JobIdsTests
{
    static readonly DateTimeOffset now = new(2026, 11, 26, 8, 30, 0, 123, TimeSpan.Zero);

    [Fact]
    public void An_id_is_a_uuid_of_version_7_that_says_its_millisecond()
    {
        var id = new JobIds().Next(now);
        var uuid = Guid.ParseExact(id, "D");
        Assert.Equal((7, 0x8), (uuid.Version, uuid.Variant & 0xC));
        Assert.Equal(now.ToUnixTimeMilliseconds(), Convert.ToInt64(id[..13].Replace("-", ""), 16));
        Assert.Equal(id, id.ToLowerInvariant());
        Assert.Equal(Guid.CreateVersion7(now).ToString()[..15], id[..15]); // the platform's own, as far as it is not random
    }

    [Fact]
    public void Ids_differ_whoever_asks_for_them_at_the_same_time()
    {
        var ids = new JobIds();
        var made = new string[8][];
        Parallel.For(0, made.Length, i => made[i] = [.. Enumerable.Range(0, 10_000).Select(_ => ids.Next(now))]);
        Assert.Equal(80_000, made.SelectMany(some => some).Distinct().Count());
    }

    [Fact]
    public void A_clock_from_before_1970_still_gives_ids() => Assert.StartsWith("00000000-0000-7", new JobIds().Next(DateTimeOffset.MinValue));
}
