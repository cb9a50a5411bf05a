using System.Text;
using Jobs.Transport;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// The journal: any process writes, one at a time reads, and no record is lost when the reader changes.
/// </summary>
public abstract partial class TransportContract
{
    static readonly TimeSpan appendTimeout = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_leader_reads_what_was_written_before_it_led_and_what_comes_after()
    {
        await using var writer = Transport.OpenJournal("j1");
        await using var journal = Transport.OpenJournal("j1");
        await AppendAsync(writer, "before");

        await using var reader = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Equal(["before"], Texts(reader.Backlog));

        await AppendAsync(writer, "after");
        Assert.Equal("after", await NextTextAsync(reader));
    }

    [Fact]
    public async Task One_leads_and_the_next_begins_when_it_ends_with_everything_it_had()
    {
        await using var journal = Transport.OpenJournal("j2");
        await using var other = Transport.OpenJournal("j2");
        var first = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        using var giveUp = new CancellationTokenSource();
        var second = other.LeadAsync(giveUp.Token);
        await AppendAsync(other, "one");
        await AppendAsync(journal, "two");
        Assert.Equal("one", await NextTextAsync(first)); // the first reader holds it
        await harness.QuietAsync();
        Assert.False(second.IsCompleted);

        await first.DisposeAsync();

        Assert.True(first.Lost.IsCancellationRequested);
        await using var reader = await second.Soon();
        Assert.Equal(["one", "two"], Texts(reader.Backlog).Order());
    }

    [Fact]
    public async Task A_process_that_does_not_lead_reads_all_that_was_added_and_the_leader_leads_on()
    {
        await using var journal = Transport.OpenJournal("j8");
        await using var other = Transport.OpenJournal("j8");
        var large = new string('x', 700_000); // an answer of more than one message
        await AppendAsync(other, "before");
        await using var leader = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        await AppendAsync(other, large);
        await AppendAsync(other, $"{large}y");
        Assert.Equal(["before", large, $"{large}y"], (await ReadTextsAsync(other)).Order(StringComparer.Ordinal));

        Assert.Equal(large, await NextTextAsync(leader));
        Assert.Equal($"{large}y", await NextTextAsync(leader));
        await leader.CompactAsync([Encoding.UTF8.GetBytes("snapshot")], TestContext.Current.CancellationToken);
        await AppendAsync(other, "after");
        Assert.Equal(["after", "snapshot"], (await ReadTextsAsync(other)).Order());
        Assert.Equal(["after", "snapshot"], (await ReadTextsAsync(journal)).Order());
        Assert.False(leader.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task A_journal_that_is_being_shortened_is_read_whole_at_every_moment()
    {
        await using var journal = Transport.OpenJournal("j10");
        await using var other = Transport.OpenJournal("j10");
        await AppendAsync(other, "state");
        await using var leader = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();

        var shortening = Task.Run(async () =>
        {
            for (var i = 0; i < 100; i++)
            {
                await AppendAsync(journal, "state");
                Assert.Equal("state", await NextTextAsync(leader)); // this one, or the former snapshot
                await leader.CompactAsync([Encoding.UTF8.GetBytes("state")], TestContext.Current.CancellationToken);
            }
        });
        while (!shortening.IsCompleted)
        {
            Assert.Contains("state", await ReadTextsAsync(other));
        }

        await shortening;
        Assert.False(leader.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task A_journal_that_nobody_leads_is_read_too_and_can_be_led_afterwards()
    {
        await using var journal = Transport.OpenJournal("j9");
        Assert.Empty(await ReadTextsAsync(journal));
        await AppendAsync(journal, "one");
        Assert.Equal(["one"], await ReadTextsAsync(journal));

        await using var leader = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Equal(["one"], Texts(leader.Backlog));
        Assert.Equal(["one"], await ReadTextsAsync(journal));
    }

    static async Task<IEnumerable<string>> ReadTextsAsync(JobJournal journal) =>
        Texts(await journal.ReadAsync(appendTimeout, TestContext.Current.CancellationToken).Soon());

    [Fact]
    public async Task One_that_stands_by_stops_at_once_and_is_not_made_the_leader_afterwards()
    {
        var journal = Transport.OpenJournal("j7");
        await using var first = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        var other = Transport.OpenJournal("j7");
        using var stop = new CancellationTokenSource();
        var standby = other.LeadAsync(stop.Token);
        await harness.QuietAsync(); // the second one stands by now

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => standby);
        await other.DisposeAsync().AsTask().Soon();

        await first.DisposeAsync();
        await using var third = Transport.OpenJournal("j7");
        await (await third.LeadAsync(TestContext.Current.CancellationToken).Soon()).DisposeAsync();
        await journal.DisposeAsync();
    }

    [Fact]
    public async Task A_snapshot_takes_the_place_of_what_was_read_and_of_nothing_else()
    {
        await using var journal = Transport.OpenJournal("j3");
        await AppendAsync(journal, "one");
        await AppendAsync(journal, "two");
        var first = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        await AppendAsync(journal, "not read");

        await first.CompactAsync([Encoding.UTF8.GetBytes("one"), Encoding.UTF8.GetBytes("and two")], TestContext.Current.CancellationToken);
        await first.DisposeAsync();

        await using var next = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Equal(["and two", "not read", "one"], Texts(next.Backlog).Order());
    }

    [Fact]
    public async Task Many_records_ask_to_be_compacted_and_a_snapshot_answers_that()
    {
        await using var journal = Transport.OpenJournal("j4");
        await using var reader = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        Assert.False(reader.ShouldCompact);
        for (var i = 0; i < 100; i++)
        {
            await AppendAsync(journal, "x");
            Assert.Equal("x", await NextTextAsync(reader));
        }

        Assert.True(reader.ShouldCompact);
        await reader.CompactAsync([Encoding.UTF8.GetBytes("all")], TestContext.Current.CancellationToken);
        Assert.False(reader.ShouldCompact);
    }

    [Fact]
    public async Task Journals_of_other_names_are_other_journals()
    {
        await using var one = Transport.OpenJournal("j5");
        await using var other = Transport.OpenJournal("j6");
        await AppendAsync(one, "one");
        await using var reader = await other.LeadAsync(TestContext.Current.CancellationToken).Soon();
        await using var own = await one.LeadAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Empty(Texts(reader.Backlog));
        Assert.Equal(["one"], Texts(own.Backlog));
    }

    static ValueTask AppendAsync(JobJournal journal, string text) => journal.AppendAsync(Encoding.UTF8.GetBytes(text), appendTimeout, TestContext.Current.CancellationToken);

    // Empty records are the transport's own.
    static IReadOnlyList<string> Texts(IEnumerable<ReadOnlyMemory<byte>> records) => [.. records.Where(r => !r.IsEmpty).Select(r => Encoding.UTF8.GetString(r.Span))];

    static async Task<string> NextTextAsync(JournalReader reader)
    {
        while (true)
        {
            var record = await reader.NextAsync(TestContext.Current.CancellationToken).Soon();
            if (!record.IsEmpty)
            {
                return Encoding.UTF8.GetString(record.Span);
            }
        }
    }
}
