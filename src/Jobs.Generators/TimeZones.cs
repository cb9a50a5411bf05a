namespace Jobs.Generators;

/// <summary>Says whether a time zone exists, as far as the machine that builds knows.</summary>
static class TimeZones
{
    public static bool Exists(string id)
    {
        if (id.Length is 0 or > 64 || id != id.Trim() || !id.All(c => char.IsLetterOrDigit(c) || c is '/' or '_' or '-' or '+' or ' ' or '.' or '(' or ')'))
        {
            return false;
        }

        // A compiler on .NET Framework knows Windows ids only, and a compiler without ICU knows IANA ids only. So an
        // unknown id is an error only when the compiler knows another id of the same kind. The beat checks again when
        // it starts.
        var isWindows = id.Contains(' ');
        return Knows(id) || !Knows(isWindows ? "W. Europe Standard Time" : "Europe/London");
    }

    static bool Knows(string id)
    {
        try
        {
            TimeZoneInfo.FindSystemTimeZoneById(id);
            return true;
        }
        catch (Exception e) when (e is TimeZoneNotFoundException or InvalidTimeZoneException or System.Security.SecurityException)
        {
            return false;
        }
    }
}
