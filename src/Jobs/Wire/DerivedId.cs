using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Jobs.Wire;

/// <summary>
/// The id of a job that follows another: a hash of the other's id and of its place, as a UUID of version 8. Whoever
/// publishes the job a second time gives it the same id again.
/// </summary>
static class DerivedId
{
    public static string Of(string parent, string role, int position)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{role} {position} of {parent}")), hash);
        hash[6] = (byte)(0x80 | (hash[6] & 0x0F)); // the version
        hash[8] = (byte)(0x80 | (hash[8] & 0x3F)); // the variant
        return new Guid(hash[..16], bigEndian: true).ToString();
    }
}
