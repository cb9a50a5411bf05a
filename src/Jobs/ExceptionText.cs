namespace Jobs;

/// <summary>
/// Reads the texts of an exception from user code. The getters of the exception are user code too, and may throw.
/// </summary>
static class ExceptionText
{
    /// <summary>The message; when the getter throws, a sentence that says so.</summary>
    public static string Message(Exception e) => Read(e, static e => e.Message);

    /// <summary>Type, message and stack, as <see cref="Exception.ToString"/> gives them.</summary>
    public static string Whole(Exception e) => Read(e, static e => e.ToString());

    /// <summary>Whether <see cref="Exception.ToString"/> of the exception returns.</summary>
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
            return $"({e.GetType()} threw {inner.GetType()} when its text was read.)";
        }
    }
}
