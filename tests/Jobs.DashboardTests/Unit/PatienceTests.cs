using Jobs.Contracts;
using Jobs.Dashboard;
using Jobs.Dashboard.Access;
using Jobs.Dashboard.Markup;
using Jobs.Dashboard.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Jobs.DashboardTests.Unit;

/// <summary>What a page shows when its patience is over before there is an answer.</summary>
public sealed class PatienceTests
{
    readonly FakeTimeProvider time = new();
    readonly SilentControl control = new();
    readonly ScriptedInspector inspector = new();

    [Fact]
    public async Task A_request_is_still_asked_for_and_not_forgotten()
    {
        var view = await ShowAsync(RequestPage.ShowAsync, () => control.Asked > 0);

        Assert.Equal(200, view.Status);
        Assert.Contains("Asking for the request", view.Live.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_is_still_asked_for_and_not_unheard_of()
    {
        var asked = 0;
        inspector.Job = _ =>
        {
            Interlocked.Increment(ref asked);
            return new TaskCompletionSource<JobInfo>().Task;
        };

        var view = await ShowAsync(JobDetailPage.ShowAsync, () => Volatile.Read(ref asked) > 0);

        Assert.Equal(200, view.Status);
        Assert.Contains("Asking for the job", view.Live.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("Nobody has heard", view.Live.ToString(), StringComparison.Ordinal);
    }

    async Task<View> ShowAsync(Func<Visit, Task<View>> page, Func<bool> isAsked)
    {
        var http = new DefaultHttpContext();
        http.Request.QueryString = new("?id=1");
        var source = new Source(inspector, control, new(time, NullLogger.Instance));
        var showing = page(new(http, Rights.All, new("Feeds", inspector, control, null!, source, [], time, NullLogger.Instance)));
        await Wait.Until(isAsked);
        time.Advance(TimeSpan.FromSeconds(6));
        return await showing.WaitAsync(Wait.Deadline, TimeProvider.System, TestContext.Current.CancellationToken);
    }

    sealed class SilentControl : JobControl
    {
        volatile int asked;

        public int Asked => asked;

        public override Task<DeadLetterRequest> RetryDeadLettersAsync(
            DeadLetterQuery query, DeadLetterRetry? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override Task<DeadLetterRequest> DeleteDeadLettersAsync(
            DeadLetterQuery query, bool wait = true, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override Task<DeadLetterRequest?> GetRequestAsync(string id, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref asked);
            return new TaskCompletionSource<DeadLetterRequest?>().Task;
        }
    }
}
