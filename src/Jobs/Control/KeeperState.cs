using System.Text.Json;
using Jobs.Transport;

namespace Jobs.Control;

/// <summary>
/// What the keeper knows: the index of dead letters and the requests about them, in the records of its journal. Any
/// thread may call any method.
/// </summary>
sealed class KeeperState(TimeProvider time)
{
    // How long a request is known after its end.
    static readonly TimeSpan remembered = TimeSpan.FromHours(1);

    readonly Lock gate = new();
    readonly RecordLedger ledger = new();
    readonly DeadLetterIndex letters = new();
    readonly Dictionary<string, (DeadLetterRequest Request, long Version)> requests = new(StringComparer.Ordinal);
    readonly List<JournalRecord> unreadable = []; // of a newer version, perhaps: kept for that version

    /// <summary>How many dead letters there are.</summary>
    public int Letters
    {
        get
        {
            lock (gate)
            {
                return letters.Count;
            }
        }
    }

    /// <summary>The bytes of all entries that count.</summary>
    public long LivingBytes
    {
        get
        {
            lock (gate)
            {
                return ledger.LivingBytes;
            }
        }
    }

    /// <summary>A record has come.</summary>
    /// <exception cref="JsonException">The record cannot be read. It is kept.</exception>
    public void Read(JournalRecord record)
    {
        lock (gate)
        {
            try
            {
                ledger.Read(record.Handle, record.Bytes.Length, KeeperRecord.Read(record.Bytes).Entries, Changed);
            }
            catch (JsonException)
            {
                unreadable.Add(record);
                throw;
            }
        }
    }

    /// <inheritdoc cref="RecordLedger.CaughtUp"/>
    public void CaughtUp()
    {
        lock (gate)
        {
            ledger.CaughtUp();
        }
    }

    /// <summary>Answers a question; an empty answer to one that nobody knows.</summary>
    public KeeperAnswer Answer(ReadOnlyMemory<byte> question)
    {
        KeeperQuestion? asked;
        try
        {
            asked = JsonSerializer.Deserialize(question.Span, KeeperJson.Default.KeeperQuestion);
        }
        catch (JsonException)
        {
            return new();
        }

        lock (gate)
        {
            return new()
            {
                Letters = asked?.Letters is { } page ? letters.Page(page.Query, page.After, page.Limit) : null,
                Groups = asked?.Groups is { } groups ? letters.Groups(groups) : null,
                Queues = asked?.Queues == true ? letters.Queues() : null,
                Request = asked?.Request is { } id ? requests.GetValueOrDefault(id).Request : null,
            };
        }
    }

    /// <summary>The oldest request that is not done.</summary>
    public (DeadLetterRequest Request, long Version)? NextRequest()
    {
        lock (gate)
        {
            var open = requests.Values.Where(one => one.Request.State != DeadLetterRequestState.Done).OrderBy(one => one.Request.At).ToList();
            return open.Count == 0 ? null : open[0];
        }
    }

    /// <summary>Notes how far a request is, for those who ask; the journal has it when the keeper appends it.</summary>
    /// <param name="request">The request.</param>
    /// <param name="version">The version that the journal has, or will have; 0 when it has no new one.</param>
    public void Progressed(DeadLetterRequest request, long version = 0)
    {
        lock (gate)
        {
            if (requests.TryGetValue(request.Id, out var known))
            {
                requests[request.Id] = (request, Math.Max(version, known.Version));
            }
        }
    }

    public bool Knows(string letter)
    {
        lock (gate)
        {
            return letters.Knows(letter);
        }
    }

    /// <summary>The letters of jobs that died before a time and are not among these.</summary>
    public IReadOnlyList<DeadLetterInfo> Missing(IReadOnlySet<string> seen, DateTimeOffset before)
    {
        lock (gate)
        {
            return [.. letters.Ids.Where(id => !seen.Contains(id)).Select(id => letters.Find(id)!).Where(letter => letter.At < before)];
        }
    }

    /// <summary>
    /// What removes dead letters from the journal. The letters are gone from here at once. A letter stays when its job has
    /// died again since: a job that was sent back may die before this call.
    /// </summary>
    public (IReadOnlyList<long> Handles, IReadOnlyList<KeeperEntry> Removals) Removing(IEnumerable<DeadLetterInfo> moved)
    {
        lock (gate)
        {
            List<string> gone = [.. moved.Where(letter => !HasDiedSince(letter)).Select(letter => letter.Id)];
            gone.ForEach(letters.Remove);
            return ledger.Removing(gone.Select(KeeperEntry.LetterKey));
        }
    }

    /// <summary>What removes the requests that ended long ago.</summary>
    public (IReadOnlyList<long> Handles, IReadOnlyList<KeeperEntry> Removals) RemovingOldRequests()
    {
        lock (gate)
        {
            var before = time.GetUtcNow() - remembered;
            var old = requests.Values.Where(one => one.Request.State == DeadLetterRequestState.Done && new DateTimeOffset(one.Version, TimeSpan.Zero) < before)
                .Select(one => one.Request.Id).ToList();
            old.ForEach(id => requests.Remove(id));
            return ledger.Removing(old.Select(KeeperEntry.RequestKey));
        }
    }

    /// <inheritdoc cref="RecordLedger.Spent"/>
    public IReadOnlyCollection<long> Spent()
    {
        lock (gate)
        {
            return ledger.Spent();
        }
    }

    /// <summary>Records to write anew, and what to write in their place.</summary>
    public (IReadOnlyCollection<long> Handles, IReadOnlyList<ReadOnlyMemory<byte>> Records) Stale(bool all)
    {
        lock (gate)
        {
            var (handles, entries) = ledger.Stale(all);
            var records = KeeperRecord.WriteAll(entries);
            return all ? ([.. handles, .. unreadable.Select(one => one.Handle)], [.. records, .. unreadable.Select(one => one.Bytes)]) : (handles, records);
        }
    }

    /// <inheritdoc cref="RecordLedger.Forgotten"/>
    public void Forgotten(IReadOnlyCollection<long> handles)
    {
        lock (gate)
        {
            ledger.Forgotten(handles);
            unreadable.RemoveAll(one => handles.Contains(one.Handle));
        }
    }

    // The time in a message is cut to microseconds, and the time in a record is not.
    bool HasDiedSince(DeadLetterInfo letter) => letters.Find(letter.Id) is { } known && known.At - letter.At >= TimeSpan.FromMicroseconds(1);

    void Changed(KeeperEntry entry, KeeperEntry? before)
    {
        if (entry.Letter is { } letter)
        {
            letters.Set(letter);
        }
        else if (entry.Request is { } request)
        {
            requests[request.Id] = (request, entry.Version);
        }
        else if (before?.Letter is { } removed)
        {
            letters.Remove(removed.Id);
        }
        else if (before?.Request is { } over)
        {
            requests.Remove(over.Id);
        }
    }
}
