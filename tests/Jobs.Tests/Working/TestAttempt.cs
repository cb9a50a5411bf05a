using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Jobs.Working;

namespace Jobs.Tests.Working;

/// <summary>Attempts of messages that no transport delivered, for what looks at an attempt and does not settle it.</summary>
static class TestAttempt
{
    public static Attempt Of(JobMessage message, Outcome? outcome = null, string queue = "jobs", TaskDefinition? task = null, bool wantsResult = false) =>
        new(new NoDelivery(wantsResult ? message with { ReplyTo = "replies" } : message, queue), stamp: 7)
        {
            Envelope = JobEnvelope.Read(message),
            Outcome = outcome,
            Task = task,
        };

    sealed class NoDelivery(JobMessage message, string queue) : Delivery
    {
        public override string Queue => queue;

        public override JobMessage Message => message;

        public override int DeliveryCount => 0;

        protected override ValueTask<IReadOnlyDictionary<int, Exception>> WriteAsync(IReadOnlyList<Outgoing> outgoing) => throw new NotSupportedException();

        protected override ValueTask LeaveAsync() => throw new NotSupportedException();

        protected override ValueTask ReleaseCoreAsync() => throw new NotSupportedException();
    }
}
