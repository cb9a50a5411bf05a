using System.Globalization;
using System.Text;
using Jobs.Transport;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// The broadcast: whoever listens hears what is sent from then on, nobody waits, and what is lost is counted.
/// </summary>
public abstract partial class TransportContract
{
    [Fact]
    public async Task A_listener_hears_everything_from_then_on_in_order_and_as_it_was_sent()
    {
        await using var listener = await ListenAsync("test.count");
        await using var other = await ListenAsync("test.count");
        for (var i = 0; i < 100; i++)
        {
            Send("test.count", i.ToString(CultureInfo.InvariantCulture), events: 3);
        }

        foreach (var one in new[] { listener, other })
        {
            for (var i = 0; i < 100; i++)
            {
                var message = await HearAsync(one);
                Assert.Equal(("test.count", i.ToString(CultureInfo.InvariantCulture), "tester@here"), (message.Topic, Text(message), message.Sender));
            }
        }

        Assert.Equal(0, listener.Dropped);
    }

    [Theory]
    [InlineData("#", "task.multi worker.heartbeat jobs.counts jobs.counts.more")]
    [InlineData("task.#", "task.multi")]
    [InlineData("worker.*", "worker.heartbeat")]
    [InlineData("jobs.counts", "jobs.counts")]
    [InlineData("jobs.#", "jobs.counts jobs.counts.more")]
    [InlineData("*.*", "task.multi worker.heartbeat jobs.counts")]
    [InlineData("#.more", "jobs.counts.more")]
    public async Task A_listener_hears_the_topics_of_its_pattern(string pattern, string topics)
    {
        await using var listener = await ListenAsync(pattern);
        await using var end = await ListenAsync("end");
        string[] all = ["task.multi", "worker.heartbeat", "jobs.counts", "jobs.counts.more"];
        foreach (var topic in all)
        {
            Send(topic, "");
        }

        foreach (var topic in topics.Split(' '))
        {
            Assert.Equal(topic, (await HearAsync(listener)).Topic);
        }

        Send("end", "");
        Assert.Equal("end", (await HearAsync(end)).Topic); // nothing else came before it
        if (pattern == "#")
        {
            Assert.Equal("end", (await HearAsync(listener)).Topic);
        }
    }

    [Fact]
    public async Task A_listener_that_does_not_come_along_loses_the_oldest_and_knows_how_many()
    {
        const int Sent = 25_000;
        await using var listener = await ListenAsync("test.many");
        var filling = new string('x', 100);
        for (var i = 1; i <= Sent; i++)
        {
            Send("test.many", $"{i} {filling}");
        }

        var (heard, last) = (0, 0);
        while (last < Sent)
        {
            var number = int.Parse(Text(await HearAsync(listener)).Split(' ')[0], CultureInfo.InvariantCulture);
            Assert.True(number > last, $"{number} came after {last}");
            (heard, last) = (heard + 1, number);
        }

        Assert.Equal(Sent, heard + listener.Dropped + Transport.Broadcast!.Dropped);
    }

    [Fact]
    public async Task A_listener_that_has_ended_hears_no_more_and_one_that_gives_up_a_wait_loses_nothing()
    {
        await using var listener = await ListenAsync("test.#");
        using var giveUp = new CancellationTokenSource();
        var waiting = listener.NextAsync(giveUp.Token).AsTask();
        Assert.False(waiting.IsCompleted);
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Send("test.one", "1");
        Assert.Equal("1", Text(await HearAsync(listener)));

        var last = listener.NextAsync(CancellationToken.None).AsTask();
        await listener.DisposeAsync();
        Assert.Null(await last.Soon());
        Send("test.two", "2");
        Assert.Null(await listener.NextAsync(CancellationToken.None).Soon());
    }

    [Fact]
    public async Task Whoever_sends_on_a_transport_that_is_closed_is_not_told()
    {
        var listener = await ListenAsync("test.#");
        var broadcast = Transport.Broadcast!;
        await Transport.DisposeAsync();
        broadcast.Send(new() { Topic = "test.late", Body = "{}"u8.ToArray(), Sender = "tester@here" });
        while (await listener.NextAsync(CancellationToken.None).Soon() is not null)
        {
        }

        await listener.DisposeAsync();
    }

    void Send(string topic, string text, int events = 1) => Transport.Broadcast!.Send(
        new() { Topic = topic, Body = Encoding.UTF8.GetBytes(text), Sender = "tester@here", Events = events });

    Task<BroadcastSubscription> ListenAsync(string pattern) => Transport.Broadcast!.ListenAsync(pattern, TestContext.Current.CancellationToken).Soon();

    static async Task<BroadcastMessage> HearAsync(BroadcastSubscription listener) =>
        await listener.NextAsync(TestContext.Current.CancellationToken).Soon() ?? throw new InvalidOperationException("The subscription has ended.");

    static string Text(BroadcastMessage message) => Encoding.UTF8.GetString(message.Body.Span);
}
