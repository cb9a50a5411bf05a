using System.Text;
using System.Text.Json;
using Jobs.Contracts;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Wire;

/// <summary>What Celery sends is read, and comes through a retry unharmed.</summary>
public sealed class CaptureTests
{
    public static TheoryData<string, bool> All { get; } = [.. Captures.Versions.SelectMany(v => new TheoryDataRow<string, bool>[] { new(v, false), new(v, true) })];

    [Theory]
    [MemberData(nameof(All))]
    public void Every_captured_message_is_read(string version, bool asBytes)
    {
        var messages = Captures.Read(version, asBytes);
        Assert.True(messages.Count >= 8);
        foreach (var (name, message) in messages)
        {
            var envelope = JobEnvelope.Read(message);
            Assert.Equal("tasks.add", envelope.Task);
            Assert.Equal(message.CorrelationId, envelope.Id);
            Assert.Equal(message.CorrelationId, envelope.RootId);
            Assert.Null(envelope.ParentId);
            Assert.Equal(0, envelope.Retries);
            Assert.Equal(name == "add opts", envelope.Eta is not null);
            Assert.Equal(name == "add opts" ? TimeSpan.FromSeconds(50) : null, envelope.Expires - envelope.Eta);
            var body = JobBody.Read(message.Body);
            Assert.Equal((byte)'[', body.Arguments.Span[0]);
            Assert.Equal("{}", Encoding.UTF8.GetString(body.Keywords.Span));
            using var embed = JsonDocument.Parse(body.Embed);
            Assert.Equal(["callbacks", "errbacks", "chain", "chord"], embed.RootElement.EnumerateObject().Select(p => p.Name));
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_copy_has_every_header_and_the_same_body(string version, bool asBytes)
    {
        foreach (var (_, message) in Captures.Read(version, asBytes))
        {
            var copy = message.Copy(stamp: 7);
            Assert.NotSame(message.Headers, copy.Headers);
            Assert.Equal(message.Lines(), copy.Lines());
            Assert.Equal(message with { Headers = copy.Headers }, copy);
        }
    }

    [Fact]
    public void Copies_of_one_message_can_be_told_apart()
    {
        var (_, message) = Captures.Read("celery-5.6")[0];
        var copies = Enumerable.Range(0, 5).Select(i => message.Copy(stamp: i)).ToArray();
        Assert.True(copies.Select(c => c.Headers[WireHeaders.Copy]).Distinct().Count() > 1);
        Assert.All(copies, c => Assert.IsType<int>(c.Headers[WireHeaders.Copy])); // other integers corrupt the table when Python reads it
        Assert.Single(copies[0].Copy(stamp: 7).Headers, h => h.Key == WireHeaders.Copy);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_retry_changes_two_headers_and_nothing_else(string version, bool asBytes)
    {
        foreach (var (_, message) in Captures.Read(version, asBytes))
        {
            var before = message.Lines();
            var retry = JobEnvelope.Read(message).Retry(new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero), stamp: 7);

            Assert.Equal(1, retry.Headers[WireHeaders.Retries]);
            Assert.Equal("2030-01-02T03:04:05.000000+00:00", retry.Headers[WireHeaders.Eta]);
            Assert.Equal(message.Lines(without: ["retries", "eta"]), retry.Lines(without: ["retries", "eta"]));
            Assert.Equal(message with { Headers = retry.Headers }, retry); // body and properties
            Assert.Equal(before, message.Lines()); // the original is untouched: it may be released instead
            Assert.Equal(2, JobEnvelope.Read(retry).Retry(default, stamp: 7).Headers[WireHeaders.Retries]);
        }
    }

    [Fact]
    public void Kombus_envelopes_are_read_as_their_types()
    {
        var types = Captures.Read("celery-5.6").Where(m => m.Name == "types").Select(m => JobEnvelope.Read(m.Message)).ToArray();
        Assert.Equal(3, types.Length);

        var first = Reader(types[0]);
        first.Require();
        Assert.Equal(new DateTimeOffset(2024, 1, 2, 3, 4, 5, TimeSpan.Zero).AddMicroseconds(6), first.GetDateTimeOffset());
        first.Require();
        Assert.Equal(1.5m, first.GetDecimal());
        first.End();

        var second = Reader(types[1]);
        second.Require();
        Assert.Equal(new Guid("00000000-0000-0000-0000-000000000001"), second.GetGuid());
        second.Require();
        Assert.Equal([0xff, 0x00], second.GetBytes());
        second.End();

        var third = Reader(types[2]);
        third.Require();
        Assert.Equal("abc"u8.ToArray(), third.GetBytes());
        third.Require();
        Assert.Equal(new DateOnly(2024, 1, 2), third.GetDateOnly());
        third.End();

        static ArgumentReader Reader(JobEnvelope envelope)
        {
            var body = JobBody.Read(envelope.Message.Body);
            return new(envelope.Task, body.Arguments.Span, body.Keywords.Span, new[] { "x", "y" }, WireTypes.Default);
        }
    }

    [Fact]
    public void A_message_of_ours_has_the_shape_of_Celerys()
    {
        var body = JobBody.Write("tasks.add", new ValueArguments([2, 2], null), WireTypes.Default);
        using var ours = JsonDocument.Parse(body);
        using var theirs = JsonDocument.Parse(Captures.Read("celery-5.6")[0].Message.Body);
        Assert.True(JsonElement.DeepEquals(theirs.RootElement, ours.RootElement));
    }
}
