using System.Text.Json;
using System.Text.Json.Nodes;
using Jobs.Contracts;
using Jobs.Registry;
using Jobs.Tests.Working;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Wire;

/// <summary>Whatever the bytes: a message is a job, or it is refused with a reason.</summary>
public sealed class FuzzTests
{
    const int Seed = 20261123;

    delegate void Program(ref ArgumentReader reader);

    static readonly string[] parameters = ["a", "b", "c", "d"];

    /// <summary>Method signatures, as the generated code would read them.</summary>
    static readonly Program[] programs =
    [
        static (ref r) => { r.Require(); r.GetInt32(); r.Require(); r.GetInt64(); },
        static (ref r) => { r.Require(); r.GetString(); if (r.Next()) { r.GetChar(); } },
        static (ref r) => { r.Require(); r.GetDouble(); r.Require(); r.GetSingle(); r.Require(); r.GetDecimal(); },
        static (ref r) => { r.Require(); r.GetDateTimeOffset(); if (r.Next()) { r.GetDateOnly(); } },
        static (ref r) => { r.Require(); r.GetDateTime(); if (r.Next()) { r.GetTimeOnly(); } if (r.Next()) { r.GetTimeSpan(); } },
        static (ref r) => { r.Require(); r.GetGuid(); r.Require(); r.GetBytes(); },
        static (ref r) => { r.Require(); r.GetBytes(); if (r.Next() && !r.IsNull) { r.GetDecimal(); } },
        static (ref r) => { r.Require(); r.GetTimeSpan(); if (r.Next()) { r.GetTimeSpan(); } },
        static (ref r) => { r.Require(); r.GetEnum("Colour", out _, out _); if (r.Next()) { r.GetBoolean(); } },
        static (ref r) => { r.Require(); r.GetByte(); r.Require(); r.GetSByte(); r.Require(); r.GetUInt16(); r.Require(); r.GetUInt64(); },
        static (ref r) => { r.Require(); r.StartArray(); while (r.NextItem()) { r.GetInt32(); } if (r.Next()) { r.StartArray(); while (r.NextItem()) { r.GetString(); } } },
        static (ref r) => { r.Require(); r.StartMap(); while (r.NextKey(out _)) { r.GetGuid(); } },
        static (ref r) => { r.Require(); r.StartArray(); while (r.NextItem()) { r.StartMap(); while (r.NextKey(out _)) { r.GetDateTime(); } } },
        static (ref r) => { r.Require(); r.GetObject<JsonNode>(); if (r.Next()) { r.GetObject<Dictionary<string, int[]>>(); } },
        static (ref r) => { while (r.Next()) { r.GetObject<object>(); break; } },
        static (ref r) => { r.Require(); r.GetObject<Shape>(); },
    ];

    sealed record Shape(string Task, Dictionary<string, JsonElement> Kwargs, DateTimeOffset? At = null);

    [Fact]
    public void Nothing_but_a_format_exception_leaves_the_reading_of_a_message()
    {
        const int Messages = 200_000;
        var fuzzer = new MessageFuzzer(Seed);
        var (read, invoked) = (0, 0);
        for (var i = 0; i < Messages; i++)
        {
            var message = fuzzer.Next();
            var program = fuzzer.Next(programs.Length);
            try
            {
                var envelope = JobEnvelope.Read(message);
                var body = JobBody.Read(message.PlainBody);
                read++;
                var reader = new ArgumentReader(envelope.Task, body.Arguments.Span, body.Keywords.Span, parameters, WireTypes.Default);
                programs[program](ref reader);
                reader.End();
                invoked++;
                envelope.Retry(DateTimeOffset.UnixEpoch, stamp: 7);
                _ = Embed.Read(body.Embed);
            }
            catch (JobFormatException e)
            {
                Assert.NotEmpty(e.Message);
            }
            catch (Exception e)
            {
                Assert.Fail($"Message {i} of seed {Seed}, signature {program}: {e}\n{Convert.ToBase64String(message.Body.Span)}\n{string.Join('\n', message.Lines())}");
            }
        }

        // Both sides of every check are exercised.
        Assert.InRange(read, Messages / 10, Messages * 9 / 10);
        Assert.InRange(invoked, Messages / 100, Messages * 9 / 10);
    }

    [Fact]
    public async Task A_worker_fed_with_broken_messages_stays_up_and_accounts_for_each()
    {
        const int Messages = 2_000;
        var adder = new AddTask { Name = "tasks.add", Class = typeof(FuzzTests) };
        var good = TestTask.Returning("good");
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddTask(adder), good);
        var fuzzer = new MessageFuzzer(Seed + 1);
        for (var i = 0; i < Messages; i++)
        {
            await host.SendAsync(fuzzer.Next());
        }

        var published = host.Transport.Published;
        await Wait.Until(() => host.Transport.Settled.Count == Messages + published.Count(IsLink));
        Assert.All(host.Transport.Settled, s => Assert.Equal(FaultStep.Ack, s.Verb));
        var dead = published.Where(p => p.Queue == "jobs.dead" && !p.Message.Text(WireHeaders.DeadReason)!.StartsWith("It follows job", StringComparison.Ordinal)).ToArray();
        Assert.All(dead, p => Assert.NotEqual("", p.Message.Text(WireHeaders.DeadReason) ?? ""));
        var early = published.Count(p => p.Queue == "jobs" && p.Delay > TimeSpan.Zero);
        var expired = host.Logs.Lines.Count(l => l.EventId == 203);
        Assert.Equal(Messages + published.Count(IsLink), dead.Length + adder.Runs + early + expired);
        Assert.True(adder.Runs > 20 && early > 0 && expired > 0 && dead.Length > 500, $"{adder.Runs} ran, {early} were early, {expired} expired, {dead.Length} are dead.");

        await host.EnqueueAsync("good", "good");
        await host.AckedAsync("good");

        // A chain or callback of a broken message may name a task that is there, and then runs too.
        static bool IsLink(PublishRecord published) => published.Queue == "jobs" && published.Delay == TimeSpan.Zero;
    }

    sealed class AddTask : TaskDefinition
    {
        int runs;

        public int Runs => Volatile.Read(ref runs);

        public override ValueTask InvokeAsync(JobContext context, ref ArgumentReader arguments)
        {
            var reader = arguments.For(parameters.AsSpan(0, 2));
            reader.Require();
            reader.GetInt32();
            reader.Require();
            reader.GetInt32();
            reader.End();
            Interlocked.Increment(ref runs);
            return ValueTask.CompletedTask;
        }
    }
}
