using Jobs.Contracts;
using Jobs.Inspection;
using Jobs.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;
using static Jobs.Tests.Inspection.Events;

namespace Jobs.Tests.Inspection;

/// <summary>Jobs that the index has no more: found in the log itself, newest first, within the time that the query gives.</summary>
public sealed class DeepSearchTests : IAsyncDisposable
{
    const int Kept = 100;

    readonly FakeTimeProvider clock = new(Start);
    readonly InMemoryTransport memory;
    readonly SlowTransport transport;
    readonly Inspector inspector;
    double now;

    public DeepSearchTests()
    {
        memory = new(clock, options: new() { HistoryAge = TimeSpan.FromDays(3650) });
        transport = new(memory, clock);
        inspector = new(transport, clock, NullLogger<Inspector>.Instance, mostJobs: Kept);
    }

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await inspector.DisposeAsync();
        await memory.DisposeAsync();
    }

    [Fact]
    public async Task Pages_go_on_beyond_the_index_to_the_beginning_of_the_history_and_no_job_comes_twice()
    {
        await FillAsync(1000, every: 7);
        var (found, cursor, backTo) = (new List<int>(), (string?)null, DateTimeOffset.MaxValue);
        var pages = 0;
        do
        {
            var page = await inspector.SearchAsync(new() { PageSize = 64, Cursor = cursor }, Stop).Soon();
            Assert.Null(page.Problem);
            Assert.True(page.SearchedBackTo <= backTo);
            (cursor, backTo) = (page.Next, page.SearchedBackTo!.Value);
            found.AddRange(page.Jobs.Select(Number));
        }
        while (cursor is not null && ++pages < 100);

        Assert.Equal(Enumerable.Range(0, 1000).Reverse(), found);
        Assert.InRange(inspector.History.Jobs.Count, 1, Kept);
        Assert.True(inspector.History.BeganAt > 0); // it did not read the whole log at its start
    }

    [Fact]
    public async Task The_search_for_one_job_ends_where_it_is_found()
    {
        await FillAsync(1000, every: 7);

        var newest = await inspector.SearchAsync(new() { Id = Id(999 * 7) }, Stop).Soon();
        var old = await inspector.SearchAsync(new() { Id = Id(10 * 7) }, Stop).Soon();

        Assert.Equal([999], newest.Jobs.Select(Number));
        Assert.Null(newest.Next);
        Assert.Equal([10], old.Jobs.Select(Number));
        Assert.True(newest.SearchedBackTo > old.SearchedBackTo); // the first one did not read the log
    }

    [Fact]
    public async Task A_search_that_has_a_time_or_a_whole_id_begins_there()
    {
        await FillAsync(3000, every: 7);
        await inspector.SearchAsync(new() { PageSize = 1 }, Stop).Soon();
        var five = TimeSpan.FromSeconds(5);
        transport.PerRead = TimeSpan.FromSeconds(1); // so there is time for little

        var byTime = await inspector.SearchAsync(new() { From = Start.AddSeconds(700), To = Start.AddSeconds(701), PageSize = 1, Timeout = five }, Stop).Soon();
        var byId = await inspector.SearchAsync(new() { Id = Id(200 * 7), Timeout = five }, Stop).Soon();
        var another = await inspector.SearchAsync(new() { Id = Id(200 * 7), Task = "other", Timeout = five }, Stop).Soon();

        Assert.Equal([100], byTime.Jobs.Select(Number));
        Assert.Equal([200], byId.Jobs.Select(Number));
        Assert.Empty(another.Jobs);
    }

    [Fact]
    public async Task A_rare_failure_long_ago_is_found_and_the_answer_has_its_end()
    {
        await FillAsync(3000, every: 60, failing: 17);

        var page = await inspector.SearchAsync(new() { States = [JobState.Dead] }, Stop).Soon();

        Assert.Equal((17, Dotnet, null), (Number(Assert.Single(page.Jobs)), page.Jobs[0].Error!.Stack, page.Next));
        var some = await inspector.SearchAsync(new() { From = Start.AddSeconds(600), To = Start.AddSeconds(1200), PageSize = 1000 }, Stop).Soon();
        Assert.Equal(Enumerable.Range(10, 11).Reverse(), some.Jobs.Select(Number));
        Assert.Null(some.Next);
    }

    [Fact]
    public async Task A_job_older_than_the_index_is_found_by_the_time_in_its_id_even_if_it_ran_for_an_hour()
    {
        await AppendAsync(Received(Id(0), 0), Started(Id(0), 1));
        await FillAsync(500, every: 7, first: 1);
        await AppendAsync(Failed(Id(0), now));
        await FillAsync(1000, every: 7, first: 501);

        var job = await inspector.GetJobAsync(Id(0), Stop).Soon();

        Assert.Equal((JobState.Dead, "news.refresh", Dotnet), (job.State, job.Task, job.Error!.Stack));
        Assert.Equal((Start.AddMinutes(-1), null), (job.SearchedBackTo, job.Problem));
        Assert.Equal(JobState.Succeeded, (await inspector.GetJobAsync(Id(700 * 7), Stop).Soon()).State);
        Assert.Equal(JobState.Unknown, (await inspector.GetJobAsync(Guid.CreateVersion7(Start.AddSeconds(50)).ToString(), Stop).Soon()).State);
    }

    /// <summary>Each read takes a second here, and a page may take five.</summary>
    [Fact]
    public async Task A_search_that_runs_out_of_time_says_how_far_it_looked_and_the_next_page_goes_on_from_there()
    {
        await FillAsync(5000, every: 1, failing: 3);
        await inspector.SearchAsync(new() { PageSize = 1 }, Stop).Soon(); // the index is read
        transport.PerRead = TimeSpan.FromSeconds(1);
        var (cursor, backTo, pages, found) = ((string?)null, DateTimeOffset.MaxValue, 0, new List<int>());
        do
        {
            var page = await inspector.SearchAsync(new() { States = [JobState.Dead], Timeout = TimeSpan.FromSeconds(5), Cursor = cursor }, Stop).Soon();
            Assert.True(page.SearchedBackTo < backTo);
            (cursor, backTo) = (page.Next, page.SearchedBackTo!.Value);
            found.AddRange(page.Jobs.Select(Number));
        }
        while (cursor is not null && ++pages < 2000);

        Assert.Equal([3], found);
        Assert.InRange(pages, 2, 1000);
    }

    /// <summary>30,000 jobs of three seconds, 500 in each read, and a read takes 0.2 s: the usual window takes far too long.</summary>
    [Fact]
    public async Task A_dense_history_is_searched_in_smaller_windows_so_that_each_few_pages_get_further()
    {
        for (var i = 0; i < 30_000; i++)
        {
            var at = i * 0.0001;
            clock.SetUtcNow(Start.AddSeconds(at));
            await AppendAsync(Received(Dense(i), at, args: $"({i},)"), i == 7 ? Failed(Dense(i), at) : Succeeded(Dense(i), at));
        }

        await inspector.SearchAsync(new() { PageSize = 1 }, Stop).Soon();
        transport.PerRead = TimeSpan.FromSeconds(0.2);
        var (cursor, found, far) = ((string?)null, new List<int>(), new List<DateTimeOffset>());
        do
        {
            var page = await inspector.SearchAsync(new() { States = [JobState.Dead], Timeout = TimeSpan.FromSeconds(5), Cursor = cursor }, Stop).Soon();
            cursor = page.Next;
            far.Add(page.SearchedBackTo!.Value);
            found.AddRange(page.Jobs.Select(Number));
        }
        while (cursor is not null && far.Count < 200);

        Assert.Equal([7], found);
        Assert.All(far.Zip(far.Skip(4)), pair => Assert.True(pair.Second < pair.First));

        static string Dense(int number) => $"{Id(0)[..24]}{number:x12}";
    }

    [Fact]
    public async Task A_log_that_cannot_be_read_gives_what_the_index_has_and_says_why()
    {
        await FillAsync(1000, every: 7);
        await inspector.SearchAsync(new() { PageSize = 1 }, Stop).Soon();
        transport.Failure = new JobTransportException("The log is away.", isTransient: true);

        var page = await inspector.SearchAsync(new() { PageSize = 1000 }, Stop).Soon();

        Assert.InRange(page.Jobs.Count, 1, Kept);
        Assert.NotNull(page.Next);
        Assert.Contains("is away", page.Problem, StringComparison.Ordinal);
    }

    // Each job is received when its id is made, and ends at once.
    async Task FillAsync(int upTo, int every, int first = 0, int failing = -1)
    {
        for (var i = first; i < upTo; i++)
        {
            now = i * every;
            clock.SetUtcNow(Start.AddSeconds(now));
            var id = Id(i * every);
            await AppendAsync(Received(id, now, args: $"({i},)"), i == failing ? Failed(id, now + 0.5) : Succeeded(id, now + 0.5));
        }
    }

    async Task AppendAsync(params string[] events) => await memory.History.AppendAsync([.. events.Select(Bytes)], Stop);

    static int Number(JobInfo job) => int.Parse(job.Arguments!.AsSpan(1, job.Arguments!.Length - 3), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A transport whose history takes time to read, or cannot be read.</summary>
    sealed class SlowTransport(JobTransport inner, FakeTimeProvider clock) : JobTransport
    {
        public TimeSpan PerRead { get; set; }

        public Exception? Failure { get; set; }

        public override JobLog History => new SlowLog(this, inner.History);

        public override ResultStore Results => inner.Results;

        public override TransportCapabilities Capabilities => inner.Capabilities;

        public override ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task<long> CountAsync(string queue, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override JobJournal OpenJournal(string name) => throw new NotSupportedException();

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

        sealed class SlowLog(SlowTransport transport, JobLog log) : JobLog
        {
            public override ValueTask AppendAsync(IReadOnlyList<ReadOnlyMemory<byte>> entries, CancellationToken cancellationToken) => log.AppendAsync(entries, cancellationToken);

            public override ValueTask<LogExtent> ExtentAsync(CancellationToken cancellationToken) => transport.Failure is null ? log.ExtentAsync(cancellationToken) : throw transport.Failure;

            public override LogReader Read(LogStart start) => new SlowReader(transport, log.Read(start));
        }

        sealed class SlowReader(SlowTransport transport, LogReader reader) : LogReader
        {
            public override async ValueTask<IReadOnlyList<LogEntry>> NextAsync(CancellationToken cancellationToken)
            {
                var entries = await reader.NextAsync(cancellationToken);
                if (transport.PerRead > TimeSpan.Zero)
                {
                    transport.Advance();
                    cancellationToken.ThrowIfCancellationRequested();
                }

                return entries;
            }

            public override ValueTask DisposeAsync() => reader.DisposeAsync();
        }

        void Advance() => clock.Advance(PerRead);
    }
}
