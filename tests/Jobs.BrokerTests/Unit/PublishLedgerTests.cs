using Jobs.Transport;

namespace Jobs.BrokerTests.Unit;

/// <summary>The book of a publisher, without a broker: what is written when, and what each answer settles.</summary>
public sealed class PublishLedgerTests
{
    readonly Book book = new(size: 4);

    [Fact]
    public void What_was_written_and_not_confirmed_goes_first_and_in_its_order_on_the_next_channel()
    {
        var all = Enumerable.Range(1, 6).Select(i => book.Add($"{i}")).ToList();
        book.Begin();
        Assert.Equal(["1", "2", "3", "4"], book.Write()); // the window is full
        book.Confirm(2);
        Assert.True(all[1].IsConfirmed);

        Assert.Equal(3, book.End());

        book.Begin();
        Assert.Equal(["1", "3", "4", "5"], book.Write());
        book.Confirm(4, multiple: true);
        Assert.Equal(["6"], book.Write());
        book.Confirm(5);
        Assert.All(all, call => Assert.True(call.IsConfirmed));
    }

    [Fact]
    public void An_answer_of_a_former_channel_settles_nothing()
    {
        var call = book.Add("1");
        var former = book.Begin();
        book.Write();
        book.End();
        book.Begin();
        book.Write();

        Assert.Empty(book.Ledger.Confirmed(former, 1, false, []));
        book.Ledger.Nacked(former, 1, false);
        Assert.Null(book.Ledger.Returned(former, "1", "work", "312"));
        Assert.Null(book.Ledger.SetBlocked(former, "alarm"));
        Assert.Equal((0, 0), book.Ledger.End(former, "406") is var (unknown, dropped) ? (unknown, dropped.Count) : default);

        Assert.False(call.IsAnswered);
        book.Confirm(1);
        Assert.True(call.IsConfirmed);
    }

    [Fact]
    public async Task Suspects_go_one_at_a_time_until_the_guilty_one_is_alone()
    {
        var (first, guilty, last, later) = (book.Add("1"), book.Add("guilty"), book.Add("3"), book.Add("4"));
        book.Begin();
        book.Write(limit: 3);
        Assert.Equal(3, book.End("406 too large")); // it was one of three

        book.Begin();
        Assert.Equal(["1"], book.Write());
        book.Confirm(1);
        Assert.Equal(["guilty"], book.Write());
        Assert.True(book.Ledger.HasSuspects);
        Assert.Equal(0, book.End("406 too large"));
        var refused = await Assert.ThrowsAsync<JobPublishException>(() => guilty.Answer());
        Assert.Equal((false, false), (refused.MaybeEnqueued, refused.IsTransient));
        Assert.Contains("406 too large", refused.Message, StringComparison.Ordinal);

        book.Begin();
        Assert.Equal(["3", "4"], book.Write()); // all at once again
        book.Confirm(2, multiple: true);
        Assert.True(first.IsConfirmed && last.IsConfirmed && later.IsConfirmed);
    }

    [Fact]
    public void A_channel_that_is_lost_for_another_reason_leaves_the_suspects_suspect_and_nobody_guilty()
    {
        var (first, _) = (book.Add("1"), book.Add("2"));
        book.Begin();
        book.Write();
        book.End("406 too large");
        book.Begin();
        Assert.Equal(["1"], book.Write());

        Assert.Equal(1, book.End());

        Assert.False(first.IsAnswered);
        book.Begin();
        Assert.Equal(["1"], book.Write());
    }

    [Fact]
    public void A_nacked_one_goes_again_after_a_pause_and_others_go_before_it()
    {
        var (full, other) = (book.Add("1", "full"), book.Add("2"));
        book.Begin();
        book.Write();
        book.Ledger.Nacked(book.Channel, 1, multiple: false);
        Assert.Empty(book.Write());
        book.Confirm(2);
        Assert.True(other.IsConfirmed);

        book.Pass(TimeSpan.FromSeconds(0.5));
        Assert.Equal(["1"], book.Write());
        book.Confirm(3);
        Assert.True(full.IsConfirmed);
    }

    [Fact]
    public async Task A_returned_one_goes_once_more_when_its_queue_is_declared_again()
    {
        var call = book.Add("1");
        book.Begin();
        book.Write();
        Assert.Equal("work", book.Ledger.Returned(book.Channel, "1", "work", "312 NO_ROUTE"));
        book.Confirm(1);
        Assert.False(call.IsAnswered);

        book.Pass(TimeSpan.FromSeconds(0.5));
        Assert.Equal(["1"], book.Write());
        Assert.Null(book.Ledger.Returned(book.Channel, "1", "work", "312 NO_ROUTE")); // a second return is final
        book.Confirm(2);

        var unroutable = await Assert.ThrowsAsync<JobPublishException>(() => call.Answer());
        Assert.Equal((false, false), (unroutable.MaybeEnqueued, unroutable.IsTransient));
    }

    [Fact]
    public async Task A_returned_one_is_refused_at_once_when_nobody_may_declare_its_queue()
    {
        var passive = new Book(size: 4, DeclareMode.Passive);
        var call = passive.Add("1");
        passive.Begin();
        passive.Write();
        Assert.Null(passive.Ledger.Returned(passive.Channel, "1", "work", "312 NO_ROUTE"));
        passive.Confirm(1);

        await Assert.ThrowsAsync<JobPublishException>(() => call.Answer());
    }

    [Fact]
    public void A_return_that_was_not_acked_on_its_channel_says_nothing_about_the_next_one()
    {
        var call = book.Add("1");
        book.Begin();
        book.Write();
        book.Ledger.Returned(book.Channel, "1", "work", "312 NO_ROUTE");
        book.End();
        book.Begin();
        book.Write();
        book.Confirm(1);
        Assert.True(call.IsConfirmed);
    }

    [Fact]
    public async Task At_its_deadline_a_caller_is_told_whether_its_job_was_ever_written()
    {
        var written = book.Add("1", timeout: TimeSpan.FromSeconds(5));
        book.Begin();
        book.Write();
        var unwritten = book.Add("2", timeout: TimeSpan.FromSeconds(5));
        book.Pass(TimeSpan.FromSeconds(4.5));
        Assert.False(written.IsAnswered || unwritten.IsAnswered);
        book.Pass(TimeSpan.FromSeconds(1));

        Assert.True((await Assert.ThrowsAsync<JobPublishException>(() => written.Answer())).MaybeEnqueued);
        Assert.False((await Assert.ThrowsAsync<JobPublishException>(() => unwritten.Answer())).MaybeEnqueued);
        Assert.Empty(book.Write()); // "not" is a promise
    }

    [Fact]
    public async Task A_cancelled_one_is_not_written_any_more()
    {
        using var cancel = new CancellationTokenSource();
        var call = book.AddCancellable("1", cancel);
        book.Begin();
        var next = book.Ledger.Next()!;
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.Answer());
        Assert.False(book.Ledger.TryWrite(next));
        Assert.Equal(0, book.Ledger.Snapshot().Pending);
    }

    [Fact]
    public async Task Once_closed_it_fails_what_waits_and_takes_nothing_more() // nobody looks at deadlines after that: whoever came later would wait for ever
    {
        var written = book.Add("1");
        book.Begin();
        book.Write();
        var waiting = book.Add("2");
        book.End();
        book.Ledger.Close(new JobTransportException("over"));

        Assert.True((await Assert.ThrowsAsync<JobPublishException>(() => written.Answer())).MaybeEnqueued);
        Assert.False((await Assert.ThrowsAsync<JobPublishException>(() => waiting.Answer())).MaybeEnqueued);
        Assert.Null(book.Ledger.Add(new Outgoing("work", Rabbit.Bench.Message("3")), 0, Timeout.InfiniteTimeSpan));
    }

    [Fact]
    public async Task The_writer_sleeps_while_there_is_nothing_that_it_may_write_and_is_woken_by_what_changes_that()
    {
        book.Begin();
        Assert.Null(book.Ledger.Next());
        var woken = book.Ledger.WokenAsync(TestContext.Current.CancellationToken);
        Assert.False(woken.IsCompleted);
        var call = book.Add("1");
        await woken.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);

        Assert.Equal(1, book.Ledger.SetBlocked(book.Channel, "memory"));
        Assert.Null(book.Ledger.SetBlocked(book.Channel, "disk")); // again for another alarm
        Assert.Null(book.Ledger.Next());
        woken = book.Ledger.WokenAsync(TestContext.Current.CancellationToken);
        Assert.False(woken.IsCompleted);
        Assert.Equal("disk", book.Ledger.Snapshot().Blocked);
        Assert.Equal(1, book.Ledger.SetBlocked(book.Channel, null));
        await woken.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Equal(["1"], book.Write());
        Assert.False(call.IsAnswered);
    }

    [Fact]
    public void What_waits_for_a_declaration_comes_back_in_its_order_and_others_go_meanwhile()
    {
        foreach (var (id, queue) in new[] { ("1", "new"), ("2", "work"), ("3", "new") })
        {
            book.Add(id, queue);
        }

        book.Begin();
        book.Ledger.Hold("new", delayed: false);
        Assert.Equal(["2"], book.Write());
        book.Pass(TimeSpan.FromSeconds(1)); // a pause does not bring them back
        Assert.Empty(book.Write());
        book.Ledger.EndHold("new", delayed: false, goFirst: true);
        Assert.Equal(["1", "3"], book.Write());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(64)]
    public void Whatever_happens_every_publish_is_confirmed_in_the_end_and_none_is_written_after_its_confirm(int size)
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed * 1000 + size);
            var run = new Book(size);
            var calls = new Dictionary<string, Call>();
            var unconfirmed = new SortedDictionary<ulong, string>(); // at the broker, on the channel that is open
            var (written, open) = (0UL, false);
            for (var steps = 0; calls.Count < 300 || calls.Values.Any(c => !c.IsAnswered); steps++)
            {
                Assert.True(steps < 30_000, $"seed {seed}: {calls.Values.Count(c => !c.IsAnswered)} are never confirmed");
                switch (random.Next(12))
                {
                    case < 4 when calls.Count < 300:
                        calls[$"{calls.Count}"] = run.Add($"{calls.Count}");
                        break;
                    case < 7 when open:
                        foreach (var id in run.Write(random.Next(4)))
                        {
                            Assert.False(calls[id].IsAnswered, $"seed {seed}: {id} is written after its confirm");
                            Assert.DoesNotContain(id, unconfirmed.Values);
                            unconfirmed.Add(++written, id);
                        }

                        Assert.True(unconfirmed.Count <= size);
                        break;
                    case < 10 when open && unconfirmed.Count > 0:
                        var tag = unconfirmed.Keys.ElementAt(random.Next(unconfirmed.Count));
                        var multiple = random.Next(2) == 0;
                        var covered = unconfirmed.Where(p => p.Key == tag || (multiple && p.Key < tag)).ToList();
                        var nacked = random.Next(4) == 0;
                        if (nacked)
                        {
                            run.Ledger.Nacked(run.Channel, tag, multiple);
                        }
                        else
                        {
                            run.Confirm(tag, multiple);
                        }

                        foreach (var (key, id) in covered)
                        {
                            Assert.Equal(!nacked, calls[id].IsConfirmed);
                            unconfirmed.Remove(key);
                        }

                        break;
                    case 10 when open && random.Next(5) == 0:
                        Assert.Equal(unconfirmed.Count, run.End());
                        unconfirmed.Clear();
                        (open, written) = (false, 0);
                        break;
                    case 11 when !open:
                        run.Begin();
                        open = true;
                        break;
                    default:
                        run.Pass(TimeSpan.FromMilliseconds(250));
                        break;
                }
            }
        }
    }
}
