using Jobs.Contracts;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>A thread that disposes waits, but not for ever.</summary>
public sealed class SynchronousDisposalTests
{
    [Fact]
    public async Task A_disposal_that_does_not_end_is_left_to_the_background()
    {
        var ending = new TaskCompletionSource();
        var disposal = new Disposal(async () => await ending.Task);
        await Task.Run(() => disposal.DisposeWithin(TimeSpan.FromMilliseconds(1)), TestContext.Current.CancellationToken).Soon();
        Assert.False(disposal.HasEnded);
        ending.SetResult();
        await Wait.Until(() => disposal.HasEnded);
    }

    [Fact]
    public void What_a_disposal_throws_reaches_the_caller() =>
        Assert.Throws<NotSupportedException>(() => new Disposal(() => throw new NotSupportedException()).DisposeWithin(SynchronousDisposal.Limit));

    sealed class Disposal(Func<Task> run) : IAsyncDisposable
    {
        public bool HasEnded { get; private set; }

        public async ValueTask DisposeAsync()
        {
            await run();
            HasEnded = true;
        }
    }
}
