namespace Jobs.Sqlite;

/// <summary>Something that the writer does for somebody, in a transaction with other operations.</summary>
/// <remarks>
/// An operation waits, is taken, and is over. One that waits can be given up without a doubt: nothing of it is in the
/// file. After it was taken, only the writer knows.
/// </remarks>
abstract class WriteOperation
{
    const int Waiting = 0;
    const int Taken = 1;
    const int Over = 2;

    int state;

    /// <summary>Whether the disk must have the change before anybody hears of it.</summary>
    public virtual bool NeedsSync => false;

    /// <summary>When the operation is given up, as a timestamp; <see cref="long.MaxValue"/> for never.</summary>
    public long Deadline { get; init; } = long.MaxValue;

    /// <summary>The timestamp when the writer got the operation.</summary>
    public long AddedAt { get; set; }

    /// <summary>Whether an answer is still wanted.</summary>
    public bool IsOver => Volatile.Read(ref state) == Over;

    public bool TryTake() => Interlocked.CompareExchange(ref state, Taken, Waiting) == Waiting;

    /// <summary>Does the work, inside the transaction. After a failure of the transaction it may be called again.</summary>
    public abstract void Execute(Tables tables);

    /// <summary>The transaction is in the file. Called on the writer's thread, so it runs no code of others.</summary>
    public void Commit()
    {
        if (Interlocked.Exchange(ref state, Over) != Over)
        {
            Committed();
        }
    }

    /// <summary>The transaction failed, or the operation is given up.</summary>
    /// <param name="why">The failure.</param>
    /// <param name="maybe">Whether the change may be in the file all the same.</param>
    public void Fail(Exception why, bool maybe)
    {
        if (Interlocked.Exchange(ref state, Over) != Over)
        {
            Failed(why, maybe);
        }
    }

    /// <summary>Gives the operation up: its time is over, or its caller went away.</summary>
    public void GiveUp(Exception why)
    {
        var before = Interlocked.Exchange(ref state, Over);
        if (before != Over)
        {
            Failed(why, maybe: before == Taken);
        }
    }

    protected abstract void Committed();

    protected abstract void Failed(Exception why, bool maybe);
}

/// <summary>
/// Begins or ends somebody's claims. It changes no table, so a transaction that fails does not undo it.
/// </summary>
sealed class ClaimerOperation(List<IClaimer> claimers, IClaimer claimer, bool adds) : WriteOperation
{
    readonly TaskCompletionSource completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    bool isDone = !adds; // who goes claims nothing any more, even while it is in the list

    public Task Task => completion.Task;

    public override void Execute(Tables tables)
    {
        if (!adds)
        {
            claimers.Remove(claimer);
        }
        else if (!isDone)
        {
            claimers.Add(claimer);
            isDone = true;
        }
    }

    protected override void Committed() => completion.TrySetResult();

    protected override void Failed(Exception why, bool maybe)
    {
        if (isDone)
        {
            completion.TrySetResult();
        }
        else
        {
            completion.TrySetException(why);
        }
    }
}

/// <summary>An operation that somebody awaits.</summary>
class AwaitedOperation<T>(Func<Tables, T> execute, bool needsSync) : WriteOperation
{
    readonly TaskCompletionSource<T> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    T? result;

    public override bool NeedsSync => needsSync;

    public Task<T> Task => completion.Task;

    public override void Execute(Tables tables) => result = execute(tables);

    protected override void Committed() => completion.TrySetResult(result!);

    protected override void Failed(Exception why, bool maybe) => completion.TrySetException(why);
}
