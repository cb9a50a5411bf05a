using System.Net;
using System.Net.Sockets;
using Jobs.RabbitMQ;
using Microsoft.Extensions.Time.Testing;

namespace Jobs.BrokerTests.Unit;

public sealed class BrokerStreamTests : IAsyncDisposable
{
    static readonly TimeSpan aSecond = TimeSpan.FromSeconds(1);

    readonly Socket writing = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    readonly FakeTimeProvider time = new();
    readonly Socket reading;
    readonly BrokerStream stream;

    public BrokerStreamTests()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        writing.Connect(listener.LocalEndPoint!);
        reading = listener.Accept();
        stream = new(writing, new NetworkStream(writing), new(), time);
        time.Advance(aSecond);
    }

    static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Fact]
    public async Task A_write_that_comes_alone_is_in_the_socket_when_it_returns()
    {
        await stream.WriteAsync(new byte[] { 1 }, Deadline);
        time.Advance(aSecond);
        await stream.WriteAsync(new byte[] { 2 }, Deadline);
        writing.Dispose();
        Assert.Equal([1, 2], await ReadAsync(2));
    }

    [Fact]
    public async Task Writes_that_follow_each_other_arrive_whole_and_in_order_whatever_their_size()
    {
        var random = new Random(9);
        var written = new byte[20_000_000];
        random.NextBytes(written);
        var read = ReadAsync(written.Length);
        for (var at = 0; at < written.Length;)
        {
            var size = Math.Min(random.Next(20) == 0 ? random.Next(300_000) : random.Next(1, 2_000), written.Length - at);
            await stream.WriteAsync(written.AsMemory(at, size), Deadline);
            at += size;
            if (random.Next(50) == 0)
            {
                time.Advance(aSecond); // the next one comes alone, perhaps while a send runs
            }
        }

        var arrived = await read;
        Assert.True(written.AsSpan().SequenceEqual(arrived));
    }

    [Fact]
    public async Task A_writer_who_is_faster_than_the_socket_waits_for_it()
    {
        var written = 0;
        ValueTask write;
        do
        {
            write = stream.WriteAsync(new byte[10_000], Deadline); // nobody reads, and the kernel keeps a few megabytes
            written += 10_000;
        }
        while (write.IsCompletedSuccessfully && written < 100_000_000);

        Assert.False(write.IsCompleted);
        await ReadAsync(written);
        await write;
    }

    [Fact]
    public async Task Once_a_send_has_failed_every_write_fails()
    {
        await stream.WriteAsync(new byte[1], Deadline); // those that follow it are kept
        reading.LingerState = new(true, 0); // a reset
        reading.Dispose();
        await Assert.ThrowsAsync<IOException>(async () =>
        {
            while (true)
            {
                await stream.WriteAsync(new byte[100], Deadline);
            }
        });
        await Assert.ThrowsAsync<IOException>(() => stream.WriteAsync(new byte[1], Deadline).AsTask());
    }

    [Fact]
    public void A_write_that_would_overtake_others_is_refused()
    {
        Assert.Throws<NotSupportedException>(() => stream.Write([1], 0, 1));
        Assert.Throws<NotSupportedException>(() => stream.Write([1]));
    }

    public async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        writing.Dispose();
        reading.Dispose();
    }

    async Task<byte[]> ReadAsync(int count)
    {
        var read = new byte[count];
        await using var source = new NetworkStream(reading, ownsSocket: false);
        await source.ReadExactlyAsync(read, Deadline);
        return read;
    }
}
