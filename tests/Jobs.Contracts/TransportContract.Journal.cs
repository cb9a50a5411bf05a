using System.Globalization;
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
    public async Task A_question_reaches_the_leader_after_all_that_was_added_before_and_the_answer_may_be_large()
    {
        await using var journal = Transport.OpenJournal("j8");
        await using var other = Transport.OpenJournal("j8");
        await using var leader = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        var large = new byte[2_500_000]; // more than one message
        Random.Shared.NextBytes(large);
        await AppendAsync(other, "one");
        await AppendAsync(other, "two");

        var asking = other.AskAsync("how?"u8.ToArray(), TestContext.Current.CancellationToken);

        Assert.Equal("one", await NextTextAsync(leader));
        Assert.Equal("two", await NextTextAsync(leader));
        var question = await NextAsync(leader);
        Assert.Equal(("how?", 0), (Encoding.UTF8.GetString(question.Bytes.Span), question.Handle));
        await question.AnswerAsync!(large).Soon();
        Assert.Equal(large, (await asking.Soon())!.Value.ToArray());
        Assert.False(leader.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task A_question_that_nobody_answers_ends_without_an_answer_and_the_next_leader_is_asked()
    {
        await using var journal = Transport.OpenJournal("j10");
        await using var other = Transport.OpenJournal("j10");
        Assert.Null(await other.AskAsync("who?"u8.ToArray(), TestContext.Current.CancellationToken).Soon());

        var first = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        var unanswered = other.AskAsync("who?"u8.ToArray(), TestContext.Current.CancellationToken);
        await NextQuestionAsync(first);
        await first.DisposeAsync();
        Assert.Null(await unanswered.Soon());

        await using var second = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        var asking = other.AskAsync("you?"u8.ToArray(), TestContext.Current.CancellationToken);
        JournalRecord question;
        do
        {
            question = await NextQuestionAsync(second); // perhaps the one that the first leader did not answer
            await question.AnswerAsync!("yes"u8.ToArray()).Soon();
        }
        while (!question.Bytes.Span.SequenceEqual("you?"u8));

        Assert.Equal("yes", Encoding.UTF8.GetString((await asking.Soon())!.Value.Span));
    }

    [Fact]
    public async Task Many_questions_at_once_get_each_its_own_answer()
    {
        await using var journal = Transport.OpenJournal("j11");
        await using var leader = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        await using var other = Transport.OpenJournal("j11");
        var asking = Enumerable.Range(0, 20).Select(i => other.AskAsync(Encoding.UTF8.GetBytes($"{i}"), TestContext.Current.CancellationToken)).ToList();
        for (var i = 0; i < 20; i++)
        {
            var question = await NextQuestionAsync(leader);
            await question.AnswerAsync!(Encoding.UTF8.GetBytes($"answer {Encoding.UTF8.GetString(question.Bytes.Span)}")).Soon();
        }

        for (var i = 0; i < 20; i++)
        {
            Assert.Equal($"answer {i}", Encoding.UTF8.GetString((await asking[i].Soon())!.Value.Span));
        }
    }

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
    public async Task Records_that_are_rewritten_give_way_to_the_new_ones_and_no_other_does()
    {
        await using var journal = Transport.OpenJournal("j3");
        await AppendAsync(journal, "one");
        await AppendAsync(journal, "two");
        await AppendAsync(journal, "three");
        var first = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        await AppendAsync(journal, "not read");
        var handles = first.Backlog.ToDictionary(record => Encoding.UTF8.GetString(record.Bytes.Span), record => record.Handle);

        await first.RewriteAsync([handles["one"], handles["three"]], ["one and three"u8.ToArray()], TestContext.Current.CancellationToken);
        Assert.Equal(["not read", "one and three"], new[] { await NextTextAsync(first), await NextTextAsync(first) }.Order());
        await first.DisposeAsync();

        await using var next = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Equal(["not read", "one and three", "two"], Texts(next.Backlog).Order());
    }

    [Fact]
    public async Task Records_that_are_forgotten_are_gone_in_whatever_order_they_go()
    {
        await using var journal = Transport.OpenJournal("j4");
        var reader = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        var handles = new List<long>();
        for (var i = 0; i < 100; i++)
        {
            await AppendAsync(journal, $"{i}");
            handles.Add((await NextRecordAsync(reader)).Handle);
        }

        await reader.ForgetAsync([handles[50], handles[7]], TestContext.Current.CancellationToken);
        await reader.ForgetAsync([.. handles[..7], .. handles[60..90]], TestContext.Current.CancellationToken);
        await reader.ForgetAsync([.. handles[8..50], handles[99]], TestContext.Current.CancellationToken);
        await reader.ForgetAsync([handles[7]], TestContext.Current.CancellationToken); // once more: it is gone already
        await reader.DisposeAsync();

        // A change of the reader may bring back what was forgotten just before. Then the next one forgets it again.
        List<string> staying = [.. Enumerable.Range(51, 9).Concat(Enumerable.Range(90, 9)).Select(i => $"{i}")];
        IReadOnlyList<string> found;
        do
        {
            await using var next = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
            found = Texts(next.Backlog);
            Assert.Superset(staying.ToHashSet(), found.ToHashSet());
            await next.ForgetAsync(
                [.. next.Backlog.Where(one => !staying.Contains(Encoding.UTF8.GetString(one.Bytes.Span))).Select(one => one.Handle)],
                TestContext.Current.CancellationToken);
        }
        while (found.Count > staying.Count);

        Assert.Equal(staying, found.OrderBy(text => int.Parse(text, CultureInfo.InvariantCulture)));
    }

    [Fact]
    public async Task A_journal_from_which_everything_is_forgotten_is_led_on_by_the_next()
    {
        await using var journal = Transport.OpenJournal("j12");
        await using var other = Transport.OpenJournal("j12");
        var first = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        await AppendAsync(journal, "one");
        await first.ForgetAsync([(await NextRecordAsync(first)).Handle], TestContext.Current.CancellationToken);
        var standby = other.LeadAsync(TestContext.Current.CancellationToken);
        await harness.QuietAsync();

        await first.DisposeAsync();

        await using var next = await standby.Soon();
        Assert.Empty(next.Backlog);
        await AppendAsync(journal, "two");
        Assert.Equal("two", await NextTextAsync(next));
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

    static IReadOnlyList<string> Texts(IEnumerable<JournalRecord> records) => [.. records.Select(record => Encoding.UTF8.GetString(record.Bytes.Span))];

    static async Task<string> NextTextAsync(JournalReader reader) => Encoding.UTF8.GetString((await NextRecordAsync(reader)).Bytes.Span);

    static async Task<JournalRecord> NextRecordAsync(JournalReader reader)
    {
        var next = await NextAsync(reader);
        Assert.Null(next.AnswerAsync);
        return next;
    }

    static async Task<JournalRecord> NextQuestionAsync(JournalReader reader)
    {
        var next = await NextAsync(reader);
        Assert.NotNull(next.AnswerAsync);
        return next;
    }

    // The next record or question. What has no bytes is neither.
    static async Task<JournalRecord> NextAsync(JournalReader reader)
    {
        while (true)
        {
            var next = await reader.NextAsync(TestContext.Current.CancellationToken).Soon();
            if (!next.Bytes.IsEmpty)
            {
                return next;
            }
        }
    }
}
