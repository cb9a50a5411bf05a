using Jobs.Contracts;
using Jobs.Working;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>Who gets the next free slot.</summary>
public sealed class LanesTests
{
    [Fact]
    public void An_attempt_takes_a_free_slot_at_once_and_waits_when_there_is_none()
    {
        var slot = Slot();
        var lanes = new Lanes([slot]);

        Assert.Same(slot, Add(lanes, "first"));
        Assert.Null(Add(lanes, "second"));
        Assert.Equal(1, lanes.Waiting);
        Assert.Equal("second", Next(lanes, slot)!.Id);
        Assert.Null(Next(lanes, slot)); // now it is free
        Assert.Same(slot, Add(lanes, "third"));
        Assert.Equal(0, lanes.Waiting);
    }

    [Fact]
    public void Queues_take_turns_and_within_one_the_order_stays()
    {
        var slot = Slot();
        var lanes = new Lanes([slot]);
        Add(lanes, "runs");
        foreach (var (queue, id) in new[] { ("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("c", "c2") })
        {
            Add(lanes, id, queue);
        }

        var order = Enumerable.Range(0, 6).Select(_ => Next(lanes, slot)!.Id).ToArray();

        Assert.Equal(["a1", "b1", "c1", "a2", "c2", "a3"], order);
    }

    [Fact]
    public void What_waits_is_taken_out_once_and_then_nothing_is_taken_in()
    {
        var slot = Slot();
        var lanes = new Lanes([slot]);
        Add(lanes, "runs");
        Add(lanes, "1");
        Add(lanes, "2");

        Assert.Equal(["1", "2"], lanes.Close().Select(a => a.Id));
        Assert.Equal(0, lanes.Waiting);
        Assert.Null(Next(lanes, slot));
        Assert.False(lanes.TryAdd(TestAttempt.Of(TestMessage.Of()), out _)); // although a slot is free: nobody would give it back
    }

    [Fact]
    public void A_queue_at_its_limit_waits_for_one_of_its_own_to_end_and_holds_up_no_other()
    {
        var (one, two) = (Slot(), Slot());
        var lanes = new Lanes([two, one], [new("a", 1)]);

        Assert.Same(one, Add(lanes, "a1", "a"));
        Assert.Null(Add(lanes, "a2", "a")); // although a slot is free
        Assert.Equal(0, lanes.Waiting); // nothing stands still that could run
        Assert.Same(two, Add(lanes, "b1", "b"));
        Add(lanes, "b2", "b");
        Assert.Equal("b2", Next(lanes, two, "b")!.Id);
        Assert.Equal("a2", Next(lanes, one, "a")!.Id);
        Assert.Null(Next(lanes, two, "b"));
        Add(lanes, "a3", "a");
        Assert.Equal(["a3"], lanes.Close().Select(a => a.Id));
    }

    static WorkerSlot Slot() => new((_, _) => Task.CompletedTask);

    static Attempt? Next(Lanes lanes, WorkerSlot slot, string ended = "jobs") => lanes.Next(slot, TestAttempt.Of(TestMessage.Of(), queue: ended));

    static WorkerSlot? Add(Lanes lanes, string id, string queue = "jobs")
    {
        Assert.True(lanes.TryAdd(TestAttempt.Of(TestMessage.Of(id: id), queue: queue), out var slot));
        return slot;
    }
}
