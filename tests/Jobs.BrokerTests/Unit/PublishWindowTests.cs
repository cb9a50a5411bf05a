using Jobs.RabbitMQ;

namespace Jobs.BrokerTests.Unit;

/// <summary>Random confirms against a plain list. rabbitmq.md §2.4: a ring by sequence number instead of a dictionary per message.</summary>
public sealed class PublishWindowTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(512)]
    public void Every_publish_comes_out_once_and_in_order(int size)
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var window = new PublishWindow(size);
            var open = new SortedDictionary<ulong, PendingPublish>();
            var next = 1UL;
            while (next < 2_000 || open.Count > 0)
            {
                if (next < 2_000 && window.HasRoom(size) && random.Next(3) > 0)
                {
                    Assert.True(open.Count < size);
                    var publish = new PendingPublish(null!);
                    open.Add(next++, publish);
                    window.Add(publish);
                }
                else if (open.Count > 0)
                {
                    var tag = open.Keys.ElementAt(random.Next(open.Count));
                    var multiple = random.Next(2) == 0;
                    var expected = open.Where(p => p.Key == tag || (multiple && p.Key < tag)).ToList();
                    var taken = new List<PendingPublish>();
                    window.Take(tag, multiple, taken);
                    Assert.Equal(expected.Select(e => e.Value), taken);
                    expected.ForEach(e => open.Remove(e.Key));
                }

                Assert.Equal(open.Count, window.Count);
            }

            Assert.Empty(window.InOrder());
        }
    }

    [Fact]
    public void A_confirm_of_what_is_not_there_changes_nothing()
    {
        var window = new PublishWindow(4);
        var publish = new PendingPublish(null!);
        window.Add(publish);
        var taken = new List<PendingPublish>();
        window.Take(2, multiple: true, taken); // not sent yet
        window.Take(0, multiple: true, taken);
        Assert.Empty(taken);
        window.Take(1, multiple: true, taken);
        window.Take(1, multiple: true, taken); // again
        Assert.Equal([publish], taken);
    }

    [Fact]
    public void The_room_is_measured_from_the_oldest_so_that_no_slot_is_used_twice()
    {
        var window = new PublishWindow(4);
        var first = new PendingPublish(null!);
        window.Add(first);
        var taken = new List<PendingPublish>();
        for (var tag = 2UL; tag <= 4; tag++)
        {
            window.Add(new(null!));
            window.Take(tag, multiple: false, taken);
        }

        Assert.Equal(1, window.Count);
        Assert.False(window.HasRoom(4));
        Assert.Equal([first], window.InOrder());
        taken.Clear();
        window.Take(4, multiple: true, taken);
        Assert.Equal([first], taken);
        Assert.True(window.HasRoom(1));
    }
}
