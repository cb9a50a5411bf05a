using System.Text;

namespace Jobs.Transport;

/// <summary>
/// The rule for queue names. A routing key through 28 delay levels contains the name, and must fit AMQP's 255 bytes.
/// </summary>
static class QueueName
{
    public const int MaxBytes = 180;

    public static string Rule => $"a queue name has 1 to {MaxBytes} bytes and does not begin with 'amq.'";

    public static bool IsValid(string? name) =>
        !string.IsNullOrEmpty(name) && Encoding.UTF8.GetByteCount(name) <= MaxBytes && !name.StartsWith("amq.", StringComparison.Ordinal);
}
