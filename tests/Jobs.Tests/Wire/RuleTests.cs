using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Jobs.Working;
using Xunit;

namespace Jobs.Tests.Wire;

/// <summary>Small rules with sharp edges: times, names, headers, back-off.</summary>
public sealed class RuleTests
{
    [Fact]
    public void Times_are_written_as_Celery_reads_them()
    {
        var time = new DateTimeOffset(2030, 1, 2, 5, 4, 5, TimeSpan.FromHours(2)).AddTicks(1_234_567);
        Assert.Equal("2030-01-02T03:04:05.123456+00:00", WireTime.Format(time));
        Assert.Equal("2030-01-02T03:04:05.000000+00:00", WireTime.Format(new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero)));
    }

    [Theory]
    [InlineData("2030-01-02T03:04:05.123456+00:00")]
    [InlineData("2030-01-02T03:04:05.123456Z")]
    [InlineData("2030-01-02T03:04:05.123456")]
    [InlineData("2030-01-02T05:04:05.123456+02:00")]
    public void Times_are_read_as_UTC_whatever_their_offset(string text)
    {
        Assert.True(WireTime.TryParse(text, out var time));
        Assert.Equal(new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero).AddMicroseconds(123456), time);
    }

    [Theory]
    [InlineData(0, 0.0, 0)]
    [InlineData(0, 1.0, 5)]
    [InlineData(1, 1.0, 10)]
    [InlineData(1, 0.5, 5)]
    [InlineData(6, 1.0, 320)]
    [InlineData(7, 1.0, 600)]
    [InlineData(10_000, 1.0, 600)]
    [InlineData(int.MaxValue, 1.0, 600)]
    public void Back_off_doubles_up_to_its_cap_with_full_jitter(int retry, double random, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), RetryPolicy.Delay(retry, TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(10), random));

    [Fact]
    public void Jitter_spreads_jobs_that_failed_together()
    {
        var delays = Enumerable.Range(0, 100).Select(_ => RetryPolicy.Delay(3, TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(10), Random.Shared.NextDouble())).ToArray();
        Assert.True(delays.Distinct().Count() > 90);
        Assert.All(delays, d => Assert.InRange(d, TimeSpan.Zero, TimeSpan.FromSeconds(40)));
        Assert.True(delays.Max() - delays.Min() > TimeSpan.FromSeconds(10));
    }

    [Fact]
    public void Extreme_back_off_neither_overflows_nor_is_no_number()
    {
        Assert.Equal(TimeSpan.Zero, RetryPolicy.Delay(5_000, TimeSpan.Zero, TimeSpan.FromMinutes(1), 1));
        Assert.Equal(TimeSpan.MaxValue, RetryPolicy.Delay(10_000, TimeSpan.FromDays(1), TimeSpan.MaxValue, 1));
    }

    [Theory]
    [InlineData("jobs", true)]
    [InlineData("ä", true)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [InlineData("amq.direct", false)]
    [InlineData("amqp", true)]
    public void Queue_names_fit_the_broker(string? name, bool valid) => Assert.Equal(valid, QueueName.IsValid(name));

    [Fact]
    public void A_queue_name_is_measured_in_bytes()
    {
        Assert.True(QueueName.IsValid(new string('q', 180)));
        Assert.False(QueueName.IsValid(new string('q', 181)));
        Assert.False(QueueName.IsValid(new string('ä', 91)));
    }

    [Theory]
    [InlineData("news.refresh", true)]
    [InlineData("_private.Task-1:x", true)]
    [InlineData("1st", false)]
    [InlineData(".news", false)]
    [InlineData("news refresh", false)]
    [InlineData("näws", false)]
    [InlineData("", false)]
    public void Task_names_can_travel_everywhere(string name, bool valid)
    {
        Assert.Equal(valid, TaskNameRule.IsValid(name));
        if (!valid)
        {
            Assert.Contains($"'{name}'", Assert.Throws<ArgumentException>(() => new Job(name)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_task_name_has_at_most_200_characters()
    {
        Assert.True(TaskNameRule.IsValid(new string('t', 200)));
        Assert.False(TaskNameRule.IsValid(new string('t', 201)));
    }

    [Fact]
    public void Every_header_that_Celery_sends_is_reserved()
    {
        var sent = Captures.Versions.SelectMany(v => Captures.Read(v)).SelectMany(c => c.Message.Headers.Keys).Distinct().Except(["x-custom", "trace"]);
        Assert.DoesNotContain(sent, name => !WireHeaders.IsReserved(name));
    }

    [Theory]
    [InlineData("x-jobs-anything", true)]
    [InlineData("X-Jobs-Anything", true)]
    [InlineData("x-death", true)]
    [InlineData("x-first-death-queue", true)]
    [InlineData("x-last-death-reason", true)]
    [InlineData("x-delivery-count", true)]
    [InlineData("x-tenant", false)]
    [InlineData("tenant", false)]
    public void Headers_of_the_protocol_the_broker_and_ours_are_reserved(string name, bool reserved) => Assert.Equal(reserved, WireHeaders.IsReserved(name));

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    [InlineData("1")]
    [InlineData(1.0)]
    public void Retries_that_are_no_count_are_refused(object retries)
    {
        var message = Contracts.TestMessage.Of(headers: ("retries", retries));
        Assert.Contains("'retries' is not a count", Assert.Throws<JobFormatException>(() => JobEnvelope.Read(message)).Message, StringComparison.Ordinal);
    }
}
