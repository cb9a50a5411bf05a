using Jobs.Control;
using Xunit;

namespace Jobs.Tests.Control;

/// <summary>
/// The keeper's bookkeeping: whatever order records come in, however often the keeper changes, and whatever it forgets
/// and writes anew, the same entries count.
/// </summary>
public sealed class RecordLedgerTests
{
    readonly Journal journal = new();

    [Fact]
    public void A_removal_is_kept_while_an_older_entry_of_its_key_is_in_another_record_and_no_longer()
    {
        journal.Append(Entry("a", 1), Entry("b", 1));
        journal.Append(Removal("a", 1));
        Assert.Equal(2, journal.Records);
        Assert.Equal(["b"], journal.HandOver());
        Assert.Equal(2, journal.Records);

        journal.Append(Removal("b", 1)); // nothing lives in the first record any more
        Assert.Equal(0, journal.Records);
        Assert.Empty(journal.HandOver());
    }

    [Fact]
    public void An_entry_that_has_its_record_for_itself_is_removed_without_a_removal()
    {
        journal.Append(Entry("a", 1));
        journal.Remove("a");
        Assert.Equal(0, journal.Records);
        Assert.Empty(journal.HandOver());
    }

    [Fact]
    public void An_entry_that_comes_while_the_record_of_its_predecessor_is_being_forgotten_counts()
    {
        var ledger = new RecordLedger();
        ledger.CaughtUp();
        ledger.Read(1, 100, [Entry("a", 1)], (_, _) => { });
        var (going, _) = ledger.Removing(["a"]);
        ledger.Read(2, 100, [Entry("a", 2)], (_, _) => { });

        ledger.Forgotten(going);

        Assert.Equal([2L], ledger.Removing(["a"]).Handles); // it is known, with its record
    }

    [Fact]
    public void A_removal_that_comes_before_what_was_written_anew_still_counts()
    {
        journal.Append(Entry("a", 1), Entry("b", 1));
        journal.Hold = true; // what is written anew comes later
        journal.RewriteAll();
        journal.Append(Removal("a", 1));
        journal.Hold = false;
        Assert.Equal(["b"], journal.HandOver());
    }

    [Fact]
    public void An_entry_with_a_higher_version_counts_again_after_a_removal()
    {
        journal.Append(Entry("a", 1), Entry("b", 1));
        journal.Append(Removal("a", 1));
        journal.Append(Entry("a", 2));
        Assert.Equal(["a", "b"], journal.HandOver());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_happens_the_next_keeper_knows_the_same_as_the_former_one(int seed)
    {
        var random = new Random(seed);
        var expected = new SortedDictionary<string, long>(StringComparer.Ordinal);
        for (var step = 1; step <= 4_000; step++)
        {
            var key = $"key {random.Next(400):000}";
            switch (random.Next(10))
            {
                case < 6:
                    journal.Append(Entry(key, step));
                    expected[key] = step;
                    break;
                case < 9 when expected.ContainsKey(key):
                    journal.Remove(key);
                    expected.Remove(key);
                    break;
                case 9 when random.Next(20) == 0:
                    journal.RewriteAll();
                    break;
                case 9 when random.Next(20) == 0:
                    Assert.Equal(expected.Keys, journal.HandOver(shuffle: random));
                    break;
            }

            journal.KeepShort();
        }

        Assert.Equal(expected.Keys, journal.HandOver());
    }

    [Fact]
    public void A_hundred_thousand_entries_that_come_and_go_are_written_less_than_five_times_and_no_old_record_stays()
    {
        const int Many = 100_000;
        var random = new Random(7);
        var (entries, living) = (0L, new List<string>());
        for (var i = 0; i < 2 * Many; i++)
        {
            entries += journal.Append(Entry($"key {i}", i, text: 300));
            living.Add($"key {i}");
            if (living.Count > Many) // then as many go as come, old ones and new ones
            {
                var at = random.Next(living.Count);
                journal.Remove(living[at]);
                (living[at], living[^1]) = (living[^1], living[at]);
                living.RemoveAt(living.Count - 1);
            }

            journal.KeepShort();
        }

        Assert.InRange(journal.Written, entries, 5 * entries);
        Assert.InRange(journal.OldestBehind, 0, 6L * 300 * Many);
        Assert.InRange(journal.Records, 1, 5_000);
        Assert.Equal(living.Order(StringComparer.Ordinal), journal.HandOver());
        TestContext.Current.TestOutputHelper?.WriteLine($"{(double)journal.Written / entries:0.00} times, {journal.Records} records");
    }

    static KeeperEntry Entry(string key, long version, int text = 10) => new(key, version, new() { Id = key, Reason = new('x', text) });

    static KeeperEntry Removal(string key, long version) => new(key, version);

    /// <summary>A journal in memory, and its keeper.</summary>
    sealed class Journal
    {
        readonly SortedDictionary<long, byte[]> records = [];
        readonly List<(long Handle, byte[] Bytes)> held = [];
        RecordLedger ledger = new();
        SortedDictionary<string, KeeperEntry> state = new(StringComparer.Ordinal);
        readonly Dictionary<long, long> appendedAt = [];
        long last;

        public Journal() => ledger.CaughtUp();

        public bool Hold { get; set; }

        public int Records => records.Count;

        public long Written { get; private set; }

        /// <summary>How many bytes were appended after the oldest record.</summary>
        public long OldestBehind => records.Count == 0 ? 0 : Written - appendedAt[records.First().Key];

        public int Append(params KeeperEntry[] entries)
        {
            var bytes = KeeperRecord.Write(entries);
            Add(bytes);
            ForgetSpent();
            return bytes.Length;
        }

        public void Remove(string key)
        {
            var (handles, removals) = ledger.Removing([key]);
            Forget(handles);
            state.Remove(key);
            foreach (var removal in removals)
            {
                Append(removal);
            }
        }

        public void RewriteAll() => Rewrite(all: true);

        public void KeepShort() => Rewrite(all: false);

        /// <summary>Another keeper reads all records, in this order or another.</summary>
        public IEnumerable<string> HandOver(Random? shuffle = null)
        {
            held.ForEach(record => Read(record.Handle, record.Bytes));
            held.Clear();
            ForgetSpent();
            (ledger, state) = (new(), new(StringComparer.Ordinal));
            var order = records.ToList();
            if (shuffle is not null)
            {
                order = [.. order.OrderBy(_ => shuffle.Next())];
            }

            order.ForEach(record => Read(record.Key, record.Value));
            ledger.CaughtUp();
            ForgetSpent();
            return state.Keys;
        }

        void Rewrite(bool all)
        {
            var (handles, entries) = ledger.Stale(all);
            if (handles.Count == 0)
            {
                return;
            }

            var anew = KeeperRecord.WriteAll(entries);
            Assert.All(anew, record => Assert.InRange(record.Length, 1, 64 * 1024));
            var added = anew.ConvertAll(record => (Keep(record.ToArray()), record.ToArray()));
            Forget(handles);
            added.ForEach(record => Arrive(record.Item1, record.Item2));
            ForgetSpent();
        }

        void Add(byte[] bytes)
        {
            var handle = Keep(bytes);
            Read(handle, bytes);
        }

        long Keep(byte[] bytes)
        {
            records[++last] = bytes;
            Written += bytes.Length;
            appendedAt[last] = Written;
            return last;
        }

        void Arrive(long handle, byte[] bytes)
        {
            if (Hold)
            {
                held.Add((handle, bytes));
            }
            else
            {
                Read(handle, bytes);
            }
        }

        void Read(long handle, byte[] bytes) => ledger.Read(handle, bytes.Length, KeeperRecord.Read(bytes).Entries, (entry, _) =>
        {
            if (entry.IsRemoval)
            {
                state.Remove(entry.Key);
            }
            else
            {
                state[entry.Key] = entry;
            }
        });

        void ForgetSpent()
        {
            while (ledger.Spent() is { Count: > 0 } spent)
            {
                Forget(spent);
            }
        }

        void Forget(IReadOnlyCollection<long> handles)
        {
            foreach (var handle in handles)
            {
                records.Remove(handle);
            }

            ledger.Forgotten(handles);
        }
    }
}
