using Jobs.Transport;
using Jobs.Wire;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// Headers that Jobs does not know. Tracing tools put theirs beside Celery's own headers, and into a table called
/// <c>headers</c> among them (capabilities.md §5).
/// </summary>
public abstract partial class HostContract
{
    static readonly Dictionary<string, object?> foreign = new(StringComparer.Ordinal)
    {
        ["sentry-trace"] = "771a43a4192642f0b136d5159a501700-7b2e1a2b3c4d5e6f-1",
        ["baggage"] = "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rate=0.5",
        ["sentry-task-enqueued-time"] = "1764321600.123456",
        ["sentry-monitor-slug"] = "refresh-früh",
        ["sentry-monitor-start-timestamp-s"] = 1764321600.25,
        ["x-datadog-trace-id"] = "9223372036854775807",
        ["x-datadog-parent-id"] = "1234567890123456789",
        ["x-datadog-sampling-priority"] = 1,
        ["_dd.p.tid"] = "6745c2a300000000",
        ["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ["tracestate"] = "dd=s:1;t.dm:-0,other=00f067aa0ba902b7",
        ["made-up"] = "some text",
        ["made-up-flag"] = true,
        ["made-up-number"] = 9_007_199_254_740_993L,
    };

    [Fact]
    public async Task Headers_of_tracing_tools_survive_a_delay_three_retries_the_dead_letters_and_the_way_back_at_both_levels()
    {
        Bench.Broken = true;
        var dispatcher = await StartAsync(configure: options => options.RetryDelay = TimeSpan.FromMilliseconds(50));
        var message = TestMessage.Of("traced", "contract.stubborn", headers: [.. foreign.Select(header => (header.Key, header.Value)), ("headers", Nested())]);
        message.Headers.Eta = TimeProvider.System.GetUtcNow().AddSeconds(1.5);
        await Transport(dispatcher).PublishAsync(new Outgoing(Queue, message), Wait.Deadline, TestContext.Current.CancellationToken).AsTask().Soon();
        await LettersAsync(dispatcher, 1);
        Assert.Equal(4, Bench.Runs.Count);
        AssertForeign();

        Bench.Broken = false;
        await Control(dispatcher).RetryDeadLettersAsync(new(), cancellationToken: TestContext.Current.CancellationToken).Soon();
        await Wait.Until(() => Bench.Runs.Count == 5);

        Assert.Contains("x-jobs-request", Bench.Headers["traced"].Keys);
        AssertForeign();

        // A table within the headers of the message, with one of its own.
        static Dictionary<string, object?> Nested() => new(foreign, StringComparer.Ordinal) { ["span"] = new Dictionary<string, object?> { ["id"] = "b7ad6b7169203331" } };

        void AssertForeign()
        {
            var arrived = Bench.Headers["traced"];
            Assert.Equal(foreign.Select(Line).Order(StringComparer.Ordinal), arrived.Where(header => foreign.ContainsKey(header.Key)).Select(Line).Order(StringComparer.Ordinal));
            Assert.Equal(TestMessage.Show(Nested()), TestMessage.Show(arrived["headers"]));
        }

        static string Line(KeyValuePair<string, object?> header) => $"{header.Key} = {TestMessage.Show(header.Value)}";
    }
}
