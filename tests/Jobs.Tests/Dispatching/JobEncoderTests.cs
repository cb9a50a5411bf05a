using System.Text;
using Jobs.Contracts;
using Jobs.Dispatching;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Dispatching;

/// <summary>The encoder alone: no host, no clock, no transport.</summary>
public sealed class JobEncoderTests
{
    static readonly Sending sending = new(new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero), "child", Stamp: 7, RootId: "root", ParentId: "parent");

    readonly JobEncoder encoder = new(new TaskRegistry([]), new JobsOptions(), new MissingTransport());

    [Fact]
    public void The_same_job_sent_alike_is_the_same_message()
    {
        var job = new Job("t", [1]) { Id = "child", Delay = TimeSpan.FromSeconds(5), Expires = TimeSpan.FromMinutes(1), Priority = 3, Queue = "q", Headers = new Dictionary<string, object?> { ["tenant"] = "a" } };
        var (one, two) = (encoder.Encode(job, sending), encoder.Encode(job, sending));

        string[] expected =
        [
            "eta = 2030-01-01T00:00:05.000000+00:00", "expires = 2030-01-01T00:01:00.000000+00:00", "id = child", "parent_id = parent", "root_id = root", "task = t", "tenant = a",
        ];
        foreach (var outgoing in new[] { one, two })
        {
            Assert.Equal(("q", TimeSpan.FromSeconds(5), OutgoingKind.Work), (outgoing.Queue, outgoing.Delay, outgoing.Kind));
            Assert.Equal(expected, outgoing.Message.Lines());
            Assert.Equal(7, outgoing.Message.Headers[WireHeaders.Copy]);
            Assert.Equal(("child", (byte?)3, 1_893_456_000), (outgoing.Message.CorrelationId, outgoing.Message.Priority, outgoing.Message.Timestamp));
            Assert.StartsWith("[[1],{},", Encoding.UTF8.GetString(outgoing.Message.Body.Span), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(5, 0)]
    [InlineData(0, 2)]
    public void The_headers_have_room_for_the_trace_and_for_no_more(int own, int parents)
    {
        var job = new Job("t") { Headers = own == 0 ? null : Enumerable.Range(0, own).ToDictionary(i => $"h{i}", object? (i) => i) };
        var message = encoder.Encode(job, parents == 0 ? new(sending.Now, "made", 0) : sending).Message;
        var before = message.Headers.Entries.Capacity;
        message.Headers.TraceParent = "00-x";

        Assert.Equal(before, message.Headers.Entries.Capacity);
        Assert.Equal(new Dictionary<string, object?>(own + parents + 3).Capacity, before);
    }

    [Fact]
    public void A_handle_is_made_by_a_dispatcher_or_derived_from_in_a_test()
    {
        foreach (var type in new[] { typeof(JobHandle), typeof(JobHandle<int>) })
        {
            Assert.Empty(type.GetConstructors());
            Assert.False(type.IsSealed);
            Assert.Single(type.GetConstructors(System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic), made => made.IsFamilyOrAssembly);
        }
    }
}
