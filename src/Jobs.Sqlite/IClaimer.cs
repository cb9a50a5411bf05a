namespace Jobs.Sqlite;

/// <summary>Something that takes messages at the end of each transaction.</summary>
interface IClaimer
{
    /// <summary>Whether it wants messages, and there may be some. Looks without a transaction.</summary>
    bool Wants(Tables tables);

    /// <summary>Claims messages, in the transaction.</summary>
    void Claim(Tables tables);

    /// <summary>The transaction is in the file, or was undone.</summary>
    void Claimed(bool committed);

    /// <summary>Other processes may have added something.</summary>
    void LookAgain();
}
