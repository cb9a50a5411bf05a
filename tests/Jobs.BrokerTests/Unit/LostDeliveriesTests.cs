using System.Reflection;
using Jobs.BrokerTests.Rabbit;
using Jobs.RabbitMQ;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.BrokerTests.Unit;

/// <summary>Which messages are recognised when they come again: those that are proven to be the same, and no others. What is recognised wrongly is lost.</summary>
public sealed class LostDeliveriesTests
{
    const long Second = 1_700_000_000;

    static readonly string jobId = Guid.CreateVersion7(DateTimeOffset.FromUnixTimeSeconds(Second)).ToString();

    readonly ManualTime time = new();

    [Fact]
    public void A_copy_is_recognised_by_its_stamp_and_once()
    {
        var lost = new LostDeliveries(time);
        var delivery = Delivery(Message("any", stamp: 7));
        lost.Remember([delivery]);

        Assert.Null(lost.Recognise(Delivery(Message("any", stamp: 8))));
        Assert.Null(lost.Recognise(Delivery(Message("other", stamp: 7))));
        Assert.Null(lost.Recognise(Delivery(Message("any"))));
        Assert.Same(delivery, lost.Recognise(Delivery(Message("any", stamp: 7))));
        Assert.Null(lost.Recognise(Delivery(Message("any", stamp: 7))));
    }

    [Fact]
    public void A_job_of_the_dispatcher_is_recognised_by_its_id()
    {
        var lost = new LostDeliveries(time);
        var delivery = Delivery(Message(jobId));
        lost.Remember([delivery]);

        Assert.Null(lost.Recognise(Delivery(Message(jobId, stamp: 7)))); // a retry of the same job
        Assert.Same(delivery, lost.Recognise(Delivery(Message(jobId))));
    }

    public static TheoryData<string?, string?, long> WithoutProof() => new()
    {
        { "c", "A", 0 }, // Celery's
        { jobId, jobId, 0 },
        { "order-17", "order-17", Second }, // the user's
        { jobId, jobId, Second + 1 }, // made earlier, by somebody else
        { "5e0d7a4e-5a8b-4e5e-9c39-2f6a3d1f1a10", "5e0d7a4e-5a8b-4e5e-9c39-2f6a3d1f1a10", Second }, // version 4
        { jobId, "another job of the same web request", Second },
        { jobId, null, Second },
        { null, jobId, Second },
    };

    [Theory]
    [MemberData(nameof(WithoutProof))]
    public void Nothing_is_recognised_without_proof(string? correlationId, string? id, long timestamp)
    {
        var lost = new LostDeliveries(time);
        var message = new JobMessage { Headers = new() { ["id"] = id }, Body = default, CorrelationId = correlationId, Timestamp = timestamp };

        lost.Remember([Delivery(message)]);

        Assert.Null(lost.Recognise(Delivery(message)));
        Assert.Equal(0, lost.Count);
    }

    [Fact]
    public void What_was_given_back_is_not_recognised_and_must_run_again()
    {
        var lost = new LostDeliveries(time);
        var delivery = Delivery(Message("any", stamp: 7));
        typeof(RabbitMqDelivery).GetProperty(nameof(RabbitMqDelivery.IsReleased))!.SetValue(delivery, true);

        lost.Remember([delivery]);

        Assert.Null(lost.Recognise(Delivery(Message("any", stamp: 7))));
    }

    [Fact]
    public void What_has_ended_is_forgotten_after_half_an_hour_and_what_runs_is_not()
    {
        var lost = new LostDeliveries(time);
        var (ended, running) = (Delivery(Message("ended", stamp: 1)), Delivery(Message("running", stamp: 2)));
        typeof(Delivery).GetField("state", BindingFlags.Instance | BindingFlags.NonPublic)!.SetValue(ended, 2);
        lost.Remember([ended, running]);

        time.Timestamp += 29 * TimeSpan.TicksPerMinute;
        lost.Remember([]);
        Assert.Equal(2, lost.Count);

        time.Timestamp += 2 * TimeSpan.TicksPerMinute;
        lost.Remember([]);
        Assert.Null(lost.Recognise(Delivery(Message("ended", stamp: 1))));
        Assert.Same(running, lost.Recognise(Delivery(Message("running", stamp: 2))));
    }

    static RabbitMqDelivery Delivery(JobMessage message) => new(null!, 1, message, 0);

    static JobMessage Message(string id, int? stamp = null)
    {
        var message = Bench.Message(id, stamp: stamp);
        Assert.Equal(Second, message.Timestamp);
        return message;
    }
}
