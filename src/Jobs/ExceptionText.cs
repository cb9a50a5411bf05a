namespace Jobs;

/// <summary>The texts of an exception of the user's. Its getters are the user's code, and may throw themselves.</summary>
static class ExceptionText
{
    /// <summary>The message; when that throws, a sentence that says so.</summary>
    public static string Message(Exception e) => Read(e, static e => e.Message);

    /// <summary>Type, message and stack, as <see cref="Exception.ToString"/> gives them.</summary>
    public static string Whole(Exception e) => Read(e, static e => e.ToString());

    /// <summary>Whether it can be printed.</summary>
    public static bool IsReadable(Exception e)
    {
        try
        {
            _ = e.ToString();
            return true;
        }
        catch (Exception)
        {
            return false;
        }
    }

    static string Read(Exception e, Func<Exception, string?> read)
    {
        try
        {
            return read(e) ?? "";
        }
        catch (Exception inner)
        {
            return $"({e.GetType()} threw {inner.GetType()} when it was to be read.)";
        }
    }
}
