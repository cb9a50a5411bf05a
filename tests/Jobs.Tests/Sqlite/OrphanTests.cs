using System.Collections.Immutable;
using Jobs.Contracts;
using Jobs.Sqlite;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Lock files of processes that died before their session was in the table.</summary>
public sealed class OrphanTests : IDisposable
{
    readonly SqliteFile file = new();

    string Sessions => $"{file.Path}-sessions";

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task A_start_removes_the_lock_files_of_the_dead_and_not_those_of_sessions_that_are_about_to_begin()
    {
        Directory.CreateDirectory(Sessions);
        var beginning = new List<SessionFile>();
        for (var i = 0; i < 20; i++)
        {
            SessionFile.Create(Sessions).Dispose(); // as the system does when a process dies
            beginning.Add(SessionFile.Create(Sessions));
        }

        await using var transport = file.Open();
        await using var subscription = await transport.SubscribeAsync(new() { Queues = ["work"], Prefetch = 1 }, Stop);

        await Wait.Until(() => SessionFile.All(Sessions).Length == 21); // and the one of the subscription
        Assert.All(beginning, one => Assert.True(File.Exists(Path.Combine(Sessions, one.Name))));
        beginning.ForEach(one => one.Dispose());
    }

    // The system makes a file and locks it in two steps; this meets the moment between them now and then.
    [Fact]
    public async Task A_lock_file_that_was_made_during_a_search_for_orphans_is_there_and_locked()
    {
        Directory.CreateDirectory(Sessions);
        using var enough = new CancellationTokenSource();
        var searching = Task.Run(
            () =>
            {
                while (!enough.IsCancellationRequested)
                {
                    SessionFile.DeleteOrphans(Sessions, SessionFile.All(Sessions), ImmutableHashSet<string>.Empty);
                }
            },
            Stop);
        for (var i = 0; i < 10_000; i++)
        {
            using var made = SessionFile.Create(Sessions);
            Assert.True(File.Exists(Path.Combine(Sessions, made.Name)), $"file {i}");
            Assert.False(SessionFile.IsFree(Sessions, made.Name), $"file {i}");
            made.Delete();
        }

        await enough.CancelAsync();
        await searching.Soon();
    }
}
