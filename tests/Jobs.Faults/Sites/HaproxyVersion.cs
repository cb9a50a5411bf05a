namespace Jobs.Faults.Sites;

static class HaproxyVersion
{
    /// <param name="output">Of <c>haproxy -v</c>: <c>HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/</c>.</param>
    public static string Read(string output) => output.Split(' ') is [_, _, var version, ..] ? version.Split('-')[0] : "of unknown version";
}
