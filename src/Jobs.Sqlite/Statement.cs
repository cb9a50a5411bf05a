using SQLitePCL;

namespace Jobs.Sqlite;

/// <summary>
/// A statement that is prepared when it is first used, and then kept. Whoever steps it to a row resets it afterwards.
/// </summary>
sealed class Statement(Database database, string sql) : IDisposable
{
    sqlite3_stmt? prepared;

    sqlite3_stmt Prepared => prepared ??= database.Compile(sql);

    public void Compile() => _ = Prepared;

    /// <param name="index">From 1, as in SQLite.</param>
    /// <param name="value">The value.</param>
    public Statement Bind(int index, long value)
    {
        database.Check(raw.sqlite3_bind_int64(Prepared, index, value));
        return this;
    }

    /// <inheritdoc cref="Bind(int, long)"/>
    public Statement Bind(int index, string value)
    {
        database.Check(raw.sqlite3_bind_text(Prepared, index, value));
        return this;
    }

    /// <inheritdoc cref="Bind(int, long)"/>
    public Statement Bind(int index, ReadOnlySpan<byte> value)
    {
        // An empty span has no address, which SQLite would take for NULL.
        database.Check(value.IsEmpty ? raw.sqlite3_bind_zeroblob(Prepared, index, 0) : raw.sqlite3_bind_blob(Prepared, index, value));
        return this;
    }

    /// <returns>Whether there is a row. After the last row, the statement is reset.</returns>
    public bool Step()
    {
        var result = raw.sqlite3_step(Prepared);
        if (result == raw.SQLITE_ROW)
        {
            return true;
        }

        if (result != raw.SQLITE_DONE)
        {
            var failure = database.Failure(result);
            Reset();
            throw failure;
        }

        Reset();
        return false;
    }

    /// <summary>Runs a statement that returns no rows.</summary>
    public void Run()
    {
        if (Step())
        {
            Reset();
        }
    }

    /// <summary>The first column of the first row; <see langword="null"/> without a row.</summary>
    public long? Single()
    {
        if (!Step())
        {
            return null;
        }

        long? value = raw.sqlite3_column_type(Prepared, 0) == raw.SQLITE_NULL ? null : raw.sqlite3_column_int64(Prepared, 0);
        Reset();
        return value;
    }

    public long Number(int column) => raw.sqlite3_column_int64(Prepared, column);

    public bool IsNull(int column) => raw.sqlite3_column_type(Prepared, column) == raw.SQLITE_NULL;

    public string Text(int column) => raw.sqlite3_column_text(Prepared, column).utf8_to_string();

    public byte[] Bytes(int column) => raw.sqlite3_column_blob(Prepared, column).ToArray();

    public void Reset()
    {
        if (prepared is not null)
        {
            raw.sqlite3_reset(prepared);
        }
    }

    public void Dispose() => prepared?.Dispose();
}
