using System.Text;
using Jobs.Transport;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// The history: kept for a while, for any number of readers. Over RabbitMQ other tests feed it too, so each test looks
/// at its own entries.
/// </summary>
public abstract partial class TransportContract
{
    readonly string mark = $"{Guid.NewGuid():N}:";

    [Fact]
    public async Task Any_number_of_readers_get_every_entry_from_the_beginning_in_order()
    {
        var sent = Enumerable.Range(0, 250).Select(i => $"{i}").ToArray();
        await harness.AddToHistoryAsync([.. sent.Select(Entry)]);

        for (var i = 0; i < 3; i++)
        {
            await using var reader = Transport.History.Read(LogStart.Beginning);
            var entries = await ReadAsync(reader, sent.Length);

            Assert.Equal(sent, entries.Select(Text));
            Assert.All(entries.Zip(entries.Skip(1)), pair => Assert.True(pair.First.Position < pair.Second.Position));
            Assert.All(entries, entry => Assert.InRange((harness.Clock.GetUtcNow() - entry.Time!.Value).Duration(), TimeSpan.Zero, TimeSpan.FromMinutes(1)));
        }
    }

    [Fact]
    public async Task A_reader_that_waits_gets_what_comes_later()
    {
        await harness.AddToHistoryAsync(Entry("before"));
        await using var first = Transport.History.Read(LogStart.Beginning);
        await using var second = Transport.History.Read(LogStart.Beginning);
        Assert.Equal(["before"], (await ReadAsync(first, 1)).Select(Text));
        Assert.Equal(["before"], (await ReadAsync(second, 1)).Select(Text));
        var (firstWaits, secondWaits) = (ReadAsync(first, 2), ReadAsync(second, 2));

        await harness.AddToHistoryAsync(Entry("one"), Entry("two"));

        Assert.Equal(["one", "two"], (await firstWaits).Select(Text));
        Assert.Equal(["one", "two"], (await secondWaits).Select(Text));
    }

    [Fact]
    public async Task A_wait_that_is_given_up_loses_no_entry()
    {
        await harness.AddToHistoryAsync(Entry("before"));
        await using var reader = Transport.History.Read(LogStart.Beginning);
        await ReadAsync(reader, 1);
        using var cancellation = new CancellationTokenSource();
        var wait = NothingAsync(reader, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.Soon());

        await harness.AddToHistoryAsync(Entry("after"));

        Assert.Equal(["after"], (await ReadAsync(reader, 1)).Select(Text));
    }

    /// <summary>A reader that always finds something never waits.</summary>
    [Fact]
    public async Task A_token_that_has_fired_ends_a_read_also_when_there_are_entries()
    {
        await harness.AddToHistoryAsync(Entry("one"), Entry("two"));
        await using var reader = Transport.History.Read(LogStart.Beginning);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await reader.NextAsync(new(canceled: true)));

        Assert.Equal(["one", "two"], (await ReadAsync(reader, 2)).Select(Text));
    }

    [Fact]
    public async Task A_reader_begins_at_a_position()
    {
        await harness.AddToHistoryAsync([.. Enumerable.Range(0, 20).Select(i => Entry($"{i}"))]);
        await using var all = Transport.History.Read(LogStart.Beginning);
        var entries = await ReadAsync(all, 20);

        await using var some = Transport.History.Read(LogStart.From(entries[15].Position));

        Assert.Equal(entries[15..].Select(entry => entry.Position), (await ReadAsync(some, 5)).Select(entry => entry.Position));
        await using var next = Transport.History.Read(LogStart.From(entries[^1].Position + 1));
        await harness.AddToHistoryAsync(Entry("next"));
        Assert.Equal(["next"], (await ReadAsync(next, 1)).Select(Text));
    }

    /// <summary>The broker's clock counts whole seconds, so a reader may get what is some seconds older.</summary>
    [Fact]
    public async Task A_reader_begins_at_a_time()
    {
        await harness.AddToHistoryAsync(Entry("long ago"));
        await harness.PassAsync(TimeSpan.FromSeconds(3));
        var since = harness.Clock.GetUtcNow();
        await harness.AddToHistoryAsync(Entry("now"), Entry("and now"));

        await using var reader = Transport.History.Read(LogStart.At(since));
        Assert.Equal(["now", "and now"], (await ReadAsync(reader, 2)).Select(Text));
        await using var early = Transport.History.Read(LogStart.At(since - TimeSpan.FromDays(1)));
        Assert.Equal(["long ago", "now", "and now"], (await ReadAsync(early, 3)).Select(Text));
    }

    [Fact]
    public async Task The_extent_says_where_the_history_begins_and_ends()
    {
        var empty = await Transport.History.ExtentAsync(TestContext.Current.CancellationToken).Soon();
        Assert.True(empty.First <= empty.Next);
        await harness.AddToHistoryAsync(Entry("first"), Entry("second"), Entry("third"));

        var extent = await Transport.History.ExtentAsync(TestContext.Current.CancellationToken).Soon();

        await using var reader = Transport.History.Read(LogStart.From(extent.First));
        var entries = await ReadAsync(reader, 3);
        Assert.InRange(entries[^1].Position, extent.First + 2, extent.Next - 1);
    }

    [Fact]
    public async Task The_history_keeps_bytes_as_they_are()
    {
        var bytes = new byte[100_000];
        new Random(7).NextBytes(bytes);
        Encoding.ASCII.GetBytes(mark).CopyTo(bytes, 0);
        await harness.AddToHistoryAsync(bytes);

        await using var reader = Transport.History.Read(LogStart.Beginning);

        Assert.Equal(bytes, Assert.Single(await ReadAsync(reader, 1)).Bytes.ToArray());
    }

    [Fact]
    public async Task The_history_stays_within_its_size_and_keeps_what_is_new()
    {
        const int Count = 500;
        var filler = new string('x', 10_000);
        for (var i = 0; i < Count; i += 50)
        {
            await harness.AddToHistoryAsync([.. Enumerable.Range(i, 50).Select(n => Entry($"{n}{filler}"))]);
        }

        // A broker removes what is too much a little later, and the entries of other tests take their share.
        await Wait.Until(async () => await BytesUpToAsync($"{Count - 1}{filler}") is > TransportHarness.HistoryBytes / 4 and < TransportHarness.HistoryBytes * 3 / 2);
        Assert.NotEqual(0, (await Transport.History.ExtentAsync(TestContext.Current.CancellationToken).Soon()).First);
    }

    [Fact]
    public async Task A_reader_that_is_closed_or_whose_transport_is_closed_waits_no_more()
    {
        await harness.AddToHistoryAsync(Entry("one"));
        var closed = Transport.History.Read(LogStart.Beginning);
        await using var open = Transport.History.Read(LogStart.Beginning);
        await ReadAsync(closed, 1);
        await ReadAsync(open, 1);
        var (first, second) = (NothingAsync(closed, CancellationToken.None), NothingAsync(open, CancellationToken.None));

        await closed.DisposeAsync().AsTask().Soon();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => first.Soon());
        await Transport.DisposeAsync().AsTask().Soon();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => second.Soon());
        Assert.Equal(0, Transport.History.Dropped);
    }

    [Fact]
    public async Task A_history_says_who_feeds_it()
    {
        await harness.AddToHistoryAsync(Entry("before"));
        Assert.Equal(harness.HistoryIsFedByBroadcast, Transport.History.IsFedByBroadcast);
        await Transport.History.AppendAsync([Entry("appended")], TestContext.Current.CancellationToken);
        await harness.AddToHistoryAsync(Entry("after"));

        await using var reader = Transport.History.Read(LogStart.Beginning);

        string[] expected = harness.HistoryIsFedByBroadcast ? ["before", "after"] : ["before", "appended", "after"];
        Assert.Equal(expected, (await ReadAsync(reader, expected.Length)).Select(Text));
        Assert.Null(Transport.History.Problem);
    }

    ReadOnlyMemory<byte> Entry(string text) => Encoding.UTF8.GetBytes(mark + text);

    string Text(LogEntry entry) => Encoding.UTF8.GetString(entry.Bytes.Span)[mark.Length..];

    bool IsOurs(LogEntry entry) => entry.Bytes.Span.StartsWith(Encoding.UTF8.GetBytes(mark));

    async Task<List<LogEntry>> ReadAsync(LogReader reader, int count)
    {
        var ours = new List<LogEntry>();
        while (ours.Count < count)
        {
            ours.AddRange((await reader.NextAsync(TestContext.Current.CancellationToken).Soon()).Where(IsOurs));
        }

        return ours;
    }

    // The size of everything from the first entry to ours, with the entries of other tests.
    async Task<long> BytesUpToAsync(string last)
    {
        await using var reader = Transport.History.Read(LogStart.Beginning);
        var bytes = 0L;
        while (true)
        {
            foreach (var entry in await reader.NextAsync(TestContext.Current.CancellationToken).Soon())
            {
                bytes += entry.Bytes.Length;
                if (IsOurs(entry) && Text(entry) == last)
                {
                    return bytes;
                }
            }
        }
    }

    // Ends only with an exception: nothing of ours comes.
    async Task NothingAsync(LogReader reader, CancellationToken cancellationToken)
    {
        while (true)
        {
            Assert.DoesNotContain(await reader.NextAsync(cancellationToken), IsOurs);
        }
    }
}
