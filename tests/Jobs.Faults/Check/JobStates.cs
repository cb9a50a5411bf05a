namespace Jobs.Faults.Check;

/// <summary>What is known of every job of one producer: eleven bytes each, so that a run of many hours fits into memory.</summary>
sealed class JobStates
{
    [Flags]
    public enum State : byte
    {
        Attempted = 1,
        Confirmed = 2,
        NotEnqueued = 4,
        Unknown = 8,
        Finished = 16,
        Dead = 32,
        Duplicated = 64,

        /// <summary>Publishes were sent again between its attempt and its confirm; it may be one of them.</summary>
        Resent = 128,
    }

    State[] states = new State[1 << 12];
    sbyte[] firstStarts = new sbyte[1 << 12];
    sbyte[] laterStarts = new sbyte[1 << 12];
    int[] attemptedAt = new int[1 << 12];
    int[] confirmedAt = new int[1 << 12];
    int[] resentAt = new int[1 << 12];

    public int Count { get; private set; }

    public State this[int number] => number < Count ? states[number] : 0;

    /// <summary>Hundredths of a second since the start of the run.</summary>
    public int ConfirmedAt(int number) => confirmedAt[number];

    /// <summary>When publishes were last sent again between its attempt and its confirm.</summary>
    public int ResentAt(int number) => resentAt[number];

    public void Set(int number, State state)
    {
        Grow(number);
        states[number] |= state;
    }

    public void Attempt(int number, int at)
    {
        Set(number, State.Attempted);
        attemptedAt[number] = at;
    }

    /// <param name="number">Of the job.</param>
    /// <param name="at">When.</param>
    /// <param name="lastResent">When publishes, of any job, were last sent again.</param>
    public void Confirm(int number, int at, int lastResent)
    {
        Set(number, State.Confirmed | (lastResent >= attemptedAt[number] ? State.Resent : 0));
        confirmedAt[number] = at;
        resentAt[number] = lastResent;
    }

    /// <summary>Whether this attempt was started before and not given back.</summary>
    public bool Start(int number, int attempt)
    {
        Grow(number);
        ref var starts = ref attempt <= 1 ? ref firstStarts[number] : ref laterStarts[number];
        starts = (sbyte)Math.Min(starts + 1, sbyte.MaxValue);
        return starts > 1;
    }

    public void GiveBack(int number, int attempt)
    {
        Grow(number);
        (attempt <= 1 ? ref firstStarts[number] : ref laterStarts[number])--;
    }

    void Grow(int number)
    {
        if (number >= states.Length)
        {
            var size = Math.Max(states.Length * 2, number + 1);
            Array.Resize(ref states, size);
            Array.Resize(ref firstStarts, size);
            Array.Resize(ref laterStarts, size);
            Array.Resize(ref attemptedAt, size);
            Array.Resize(ref confirmedAt, size);
            Array.Resize(ref resentAt, size);
        }

        Count = Math.Max(Count, number + 1);
    }
}
