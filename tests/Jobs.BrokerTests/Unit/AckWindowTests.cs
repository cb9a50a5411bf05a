using Jobs.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.RabbitMQ;

namespace Jobs.BrokerTests.Unit;

/// <summary>
/// Random orders of completion against a model of the broker. rabbitmq.md §3: <c>multiple</c> only for the contiguous completed prefix – an ack of an unfinished
/// job loses it, an ack of a tag twice closes the channel (406).
/// </summary>
public sealed class AckWindowTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(16)]
    [InlineData(100)]
    public void Nothing_unfinished_is_acked_nothing_is_acked_twice_and_all_is_acked_in_the_end(int prefetch)
    {
        for (var seed = 0; seed < 200; seed++)
        {
            Run(prefetch, new Random(seed * 1000 + prefetch), seed);
        }
    }

    [Fact]
    public void A_straggler_below_the_window_forbids_multiple_acks_until_it_ends()
    {
        var window = new AckWindow(4); // 16 entries
        var slow = Delivery(1);
        window.Add(1, slow);
        var acks = new List<(ulong Tag, bool Multiple)>();
        for (var tag = 2UL; tag <= 40; tag++)
        {
            Finish(window, tag);
            for (var flush = 0; flush < 2; flush++)
            {
                acks.Clear();
                window.TakeAcks(acks);
                Assert.DoesNotContain(acks, a => a.Multiple);
            }
        }

        Assert.Equal(1, window.Unsettled);
        Assert.Contains(slow, window.MayComeBack());
        Ack(slow);
        window.Complete(1);
        acks.Clear();
        window.TakeAcks(acks);
        Assert.Equal([(1UL, false)], acks);
        Finish(window, 41);
        Finish(window, 42);
        acks.Clear();
        window.TakeAcks(acks);
        Assert.Equal([(42UL, true)], acks); // and now they are allowed again
        Assert.Equal((0, 0), (window.Unsettled, window.Completed));
    }

    [Fact]
    public void What_completed_beyond_a_gap_is_acked_alone_after_one_flush()
    {
        var window = new AckWindow(8);
        window.Add(1, Delivery(1));
        Finish(window, 2);
        var acks = new List<(ulong Tag, bool Multiple)>();
        window.TakeAcks(acks);
        Assert.Empty(acks);
        window.TakeAcks(acks);
        Assert.Equal([(2UL, false)], acks);
    }

    static void Run(int prefetch, Random random, int seed)
    {
        var window = new AckWindow(prefetch);
        var outstanding = new Dictionary<ulong, RabbitMqDelivery>(); // at the broker: delivered and not settled
        var running = new List<ulong>();
        var acks = new List<(ulong Tag, bool Multiple)>();
        var next = 1UL;
        const int Total = 400;
        var slowUntil = random.Next(2) == 0 ? (ulong)Total : 0; // in half of the runs the first job is the last to end
        for (var steps = 0; next <= Total || outstanding.Count > 0; steps++)
        {
            Assert.True(steps < 100 * Total, $"seed {seed}: {outstanding.Count} are never acked");
            var step = random.Next(10);
            if (step < 4 && next <= Total && outstanding.Count < prefetch)
            {
                var delivery = Delivery(next);
                outstanding[next] = delivery;
                running.Add(next);
                window.Add(next++, delivery);
            }
            else if (step < 8 && running.Count > 0)
            {
                var i = random.Next(running.Count);
                var tag = running[i];
                if (tag == 1 && prefetch > 1 && next <= slowUntil)
                {
                    continue;
                }

                running.RemoveAt(i);
                if (random.Next(8) == 0)
                {
                    window.Answered(tag); // released
                    outstanding.Remove(tag);
                }
                else
                {
                    Ack(outstanding[tag]);
                    window.Complete(tag);
                }
            }
            else
            {
                Flush();
            }

            Assert.True(window.Unsettled == outstanding.Count, $"seed {seed}: {window.Unsettled} unsettled instead of {outstanding.Count}");
        }

        Assert.Equal(0, window.Completed);

        void Flush()
        {
            acks.Clear();
            window.TakeAcks(acks);
            foreach (var (tag, multiple) in acks)
            {
                Assert.True(outstanding.ContainsKey(tag), $"seed {seed}: ack of {tag}, which the broker does not have");
                foreach (var covered in outstanding.Keys.Where(t => t == tag || (multiple && t < tag)).ToList())
                {
                    Assert.True(outstanding[covered].IsComplete, $"seed {seed}: {covered} is acked and has not ended");
                    outstanding.Remove(covered);
                }
            }
        }
    }

    static void Finish(AckWindow window, ulong tag)
    {
        var delivery = Delivery(tag);
        window.Add(tag, delivery);
        Ack(delivery);
        window.Complete(tag);
    }

    static RabbitMqDelivery Delivery(ulong tag) => new(null!, tag, Bench.Message($"{tag}"), 0);

    // As the delivery itself does it, without a consumer behind it.
    static void Ack(RabbitMqDelivery delivery) => typeof(RabbitMqDelivery).GetProperty(nameof(RabbitMqDelivery.IsComplete))!.SetValue(delivery, true);
}
