using System.Buffers.Binary;
using System.Text;
using Jobs.RabbitMQ;

namespace Jobs.BrokerTests.Unit;

public sealed class InboundFramesTests
{
    const int ManyLevels = 20_000;

    readonly InboundFrames frames = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void All_that_the_client_can_read_passes_unchanged_however_the_socket_cuts_it(int seed)
    {
        var random = new Random(seed);
        var sent = new List<byte>();
        for (var i = 0; i < 500; i++)
        {
            sent.AddRange(Delivery((ushort)random.Next(1, 4), (ulong)i, Table(
                Entry("task", Text("a.b")), Entry("retries", [(byte)'I', 0, 0, 0, 1]), Entry("none", [(byte)'V']), Entry("good", [(byte)'D', 2, 0, 0, 0, 125]),
                Entry("note", Text(new('x', i == 250 ? 150_000 : random.Next(300)))), Entry("tables", [(byte)'F', .. Table(Entry("list", List(Text("y"), [(byte)'t', 1])))]))));
            sent.AddRange(Frame(3, 1, new byte[random.Next(20) == 0 ? random.Next(200_000) : random.Next(500)]));
            sent.AddRange(Frame(8, 0, []));
        }

        Assert.Equal(sent, Through([.. sent], random));
        Assert.All(Enumerable.Range(0, 500), tag => Assert.Null(frames.TakeProblem(1, (ulong)tag)));
    }

    [Fact]
    public void A_decimal_with_too_many_places_becomes_a_text_and_the_consumer_is_told_once()
    {
        byte[] bad = [(byte)'D', 29, 0, 0, 0, 1], mended = [(byte)'S', 0, 0, 0, 1, (byte)'?'];
        var read = Through(Delivery(3, 7, Table(Entry("first", Text("x")), Entry("price", bad), Entry("last", Text("z")))));

        Assert.Equal(Delivery(3, 7, Table(Entry("first", Text("x")), Entry("price", mended), Entry("last", Text("z")))), read);
        Assert.Null(frames.TakeProblem(2, 7));
        Assert.Equal("The header 'price' is or has a decimal of 29 places after the point; only 28 can be read.", frames.TakeProblem(3, 7));
        Assert.Null(frames.TakeProblem(3, 7));
    }

    [Fact]
    public void Tables_and_lists_in_too_many_levels_become_bytes()
    {
        foreach (var isTable in new[] { false, true })
        {
            var header = Text("inmost");
            for (var level = 0; level < ManyLevels; level++)
            {
                header = isTable && level % 2 == 0 ? [(byte)'F', .. Table(Entry("k", header))] : List(header);
            }

            var sent = Delivery(1, 1, Table(Entry("deep", header), Entry("task", Text("t"))));
            var read = Through(sent);

            Assert.Equal(sent.Length, read.Length);
            Assert.Contains("'deep' has tables or lists in more than 100 levels", frames.TakeProblem(1, 1), StringComparison.Ordinal);
            var changed = Assert.Single(Enumerable.Range(0, sent.Length), i => sent[i] != read[i]);
            Assert.Equal((byte)'x', read[changed]);
        }
    }

    [Fact]
    public void Both_ways_to_write_a_long_number_are_read_alike()
    {
        byte[] number = [0, 0, 1, 0, 0, 0, 0, 0];
        Assert.Equal(
            Delivery(1, 1, Table(Entry("big", [(byte)'l', .. number]))),
            Through(Delivery(1, 1, Table(Entry("big", [(byte)'L', .. number])))));
        Assert.Null(frames.TakeProblem(1, 1)); // nothing was lost
    }

    [Fact]
    public void What_is_no_table_passes_as_it_came()
    {
        byte[][] odd = [[], [0x20], [0x20, 0], [0x20, 0, 0, 0, 0, 99], [0x20, 0, 0xff, 0xff, 0xff, 0xff], [0x20, 0, 0, 0, 0, 3, 9, 9, 9], [0x20, 0, 0, 0, 0, 3, 1, 9, (byte)'Q'], [0x80, 0]];
        foreach (var properties in odd)
        {
            var sent = Frame(2, 1, [.. new byte[12], .. properties]);
            Assert.Equal(sent, Through(sent));
        }

        var refusal = "AMQP\0\0\u0009\u0001"u8.ToArray(); // what a broker of another version says
        Assert.Equal(refusal, Through(refusal));
    }

    /// <summary>Everything through the frames as a client reads it.</summary>
    byte[] Through(byte[] sent, Random? random = null)
    {
        var (read, piece) = (new List<byte>(), new byte[4096]);
        for (var at = 0; at < sent.Length;)
        {
            var room = frames.Room().Span;
            var count = Math.Min(Math.Min(room.Length, sent.Length - at), random is null ? int.MaxValue : random.Next(1, 100_000));
            sent.AsSpan(at, count).CopyTo(room);
            at += count;
            frames.Received(count);
            for (int taken; (taken = frames.Take(piece)) > 0;)
            {
                read.AddRange(piece.AsSpan(0, taken));
            }
        }

        return [.. read];
    }

    static byte[] Delivery(ushort channel, ulong tag, byte[] table) =>
    [
        .. Frame(1, channel, [0, 60, 0, 60, 2, (byte)'c', (byte)'t', .. Number(tag, 8), 0, 0, 0]),
        .. Frame(2, channel, [0, 60, 0, 0, .. Number(0, 8), 0xf0, 0, 1, (byte)'j', 1, (byte)'u', .. table, 2]),
    ];

    static byte[] Frame(byte type, ushort channel, byte[] payload) => [type, .. Number(channel, 2), .. Number((ulong)payload.Length, 4), .. payload, 0xce];

    static byte[] Table(params byte[][] entries) => Sized([.. entries.SelectMany(e => e)]);

    static byte[] Entry(string name, byte[] value) => [(byte)name.Length, .. Encoding.UTF8.GetBytes(name), .. value];

    static byte[] List(params byte[][] values) => [(byte)'A', .. Sized([.. values.SelectMany(v => v)])];

    static byte[] Text(string text) => [(byte)'S', .. Sized(Encoding.UTF8.GetBytes(text))];

    static byte[] Sized(byte[] content) => [.. Number((ulong)content.Length, 4), .. content];

    static byte[] Number(ulong value, int size)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes[(8 - size)..];
    }
}
