using System.Globalization;
using System.Text.Json;
using Jobs.Control;
using Xunit;

namespace Jobs.Tests.Control;

/// <summary>The counts that the index keeps.</summary>
public sealed class DeadLetterIndexTests
{
    static readonly DateTimeOffset start = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);

    // A query that selects all of them as well, so that the letters are counted one by one.
    static readonly DeadLetterQuery all = new() { From = start.AddYears(-1) };

    readonly DeadLetterIndex index = new();
    readonly Random random = new(7);

    [Fact]
    public void Kept_counts_are_the_same_as_counting()
    {
        Dictionary<string, DeadLetterInfo> known = [];
        for (var i = 0; i < 3_000; i++)
        {
            var letter = Letter();
            if (i % 3 == 0)
            {
                index.Remove(letter.Id);
                known.Remove(letter.Id);
            }
            else
            {
                index.Set(letter);
                known[letter.Id] = letter;
            }

            if (i % 100 == 99)
            {
                Check(known.Values);
            }
        }

        foreach (var id in known.Keys)
        {
            index.Remove(id);
        }

        Check([]);
    }

    void Check(IReadOnlyCollection<DeadLetterInfo> known)
    {
        Assert.Equal(Text(index.Groups(all)), Text(index.Groups(new())));
        Assert.Equal(
            known.Where(letter => letter.Queue is not null).CountBy(letter => letter.Queue!).OrderBy(queue => queue.Key, StringComparer.Ordinal),
            index.Queues().OrderBy(queue => queue.Key, StringComparer.Ordinal));
        var ofFrame = known.Where(letter => letter.Frame == "B.C()").OrderByDescending(letter => letter.At).ThenBy(letter => letter.Id, StringComparer.Ordinal);
        Assert.Equal(ofFrame, index.Page(new() { Frame = "B.C()" }, null, 10_000).Letters);
        Assert.Equal(ofFrame.Count(), index.Groups(new() { Frame = "B.C()" }).Sum(group => group.Count));
    }

    // In an order of their own, where as many letters died at the same time.
    static IEnumerable<string> Text(IReadOnlyList<DeadLetterGroup> groups) =>
        groups.Select(group => JsonSerializer.Serialize(group)).Order(StringComparer.Ordinal);

    DeadLetterInfo Letter() => new()
    {
        Id = random.Next(300).ToString(CultureInfo.InvariantCulture),
        At = start.AddSeconds(random.Next(1_000)),
        Task = Any("news.refresh", "news.publish", "mail.send", null),
        Queue = Any("news", "mail", null),
        Reason = $"reason {random.Next(5)}",
        ExceptionType = Any("System.TimeoutException", "Custom.Exception", null),
        Frame = Any("A.B()", "B.C()", null),
    };

    string? Any(params string?[] texts) => texts[random.Next(texts.Length)];
}
