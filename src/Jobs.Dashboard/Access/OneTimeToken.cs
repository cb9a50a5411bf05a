using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Access;

/// <summary>
/// Lets the reader of the log in, when nobody has said who may see the dashboard. The log has a link with a token. The
/// token opens the dashboard for one browser, which gets a cookie for it; then the log has a link with a new token.
/// </summary>
/// <remarks>Sessions live in this process and for half a day. All methods may be called by any thread.</remarks>
sealed class OneTimeToken(TimeProvider time)
{
    public const string Parameter = "token";

    const string Cookie = "jobs-dashboard";
    const int MostSessions = 100;

    static readonly TimeSpan lifetime = TimeSpan.FromHours(12);

    readonly Lock gate = new();
    readonly List<(byte[] Hash, DateTimeOffset Until)> sessions = [];
    string current = Secret();

    /// <summary>The token that opens the dashboard next.</summary>
    public string Current
    {
        get
        {
            lock (gate)
            {
                return current;
            }
        }
    }

    /// <summary>Whether the request has the token.</summary>
    public bool IsIn(HttpContext http) => Same(http.Request.Query[Parameter].ToString(), Current);

    /// <summary>Exchanges the token of the request for a cookie.</summary>
    /// <returns>Whether the token was the right one.</returns>
    public bool TryExchange(HttpContext http)
    {
        var session = Secret();
        lock (gate)
        {
            if (!Same(http.Request.Query[Parameter].ToString(), current))
            {
                return false;
            }

            current = Secret();
            sessions.RemoveAll(one => one.Until <= time.GetUtcNow());
            if (sessions.Count == MostSessions)
            {
                sessions.RemoveAt(0);
            }

            sessions.Add((Hash(session), time.GetUtcNow() + lifetime));
        }

        http.Response.Cookies.Append(Cookie, session, new()
        {
            HttpOnly = true,
            SameSite = SameSiteMode.Strict,
            Secure = http.Request.IsHttps,
            IsEssential = true,
            Path = null, // the folder of the page as the browser sees it; a proxy may have cut it off here
        });
        return true;
    }

    /// <summary>Whether the browser has exchanged a token.</summary>
    public bool HasSession(HttpContext http)
    {
        if (http.Request.Cookies[Cookie] is not { Length: > 0 } session)
        {
            return false;
        }

        var hash = Hash(session);
        lock (gate)
        {
            return sessions.Exists(one => one.Until > time.GetUtcNow() && CryptographicOperations.FixedTimeEquals(one.Hash, hash));
        }
    }

    static string Secret() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    static bool Same(string one, string other) => CryptographicOperations.FixedTimeEquals(Hash(one), Hash(other));

    static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
