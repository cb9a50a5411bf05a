using Jobs.Transport;

namespace Jobs.Benchmarks;

/// <summary>Places where programs keep their jobs and do not see each other: files, virtual hosts, or each its own memory.</summary>
sealed class DashboardPlaces(BenchmarkOptions options, BenchBroker? broker) : IDisposable
{
    static readonly string dead = $"{JobsUnderTest.Prefix}.dead";

    readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("jobs-bench-");
    int made;

    /// <summary>The ids of the jobs that a place has in its history, the oldest in front; none over memory.</summary>
    public string[] Ids { get; private set; } = [];

    /// <summary>Makes a place with the history of many jobs and with many dead letters.</summary>
    public async Task<BenchmarkOptions> NewAsync()
    {
        var name = $"bench{made++}";
        var place = options switch
        {
            { InMemory: true } => options,
            { Sqlite: not null } => options with { Sqlite = Path.Combine(directory.FullName, $"{name}.db") },
            _ => options with { Broker = await broker!.AddVirtualHostAsync(name), Management = broker.ManagementUri.ToString() },
        };
        if (place.Sqlite is { } file)
        {
            var filled = Path.Combine(directory.FullName, "filled.db"); // no program has it, so it can be copied
            if (made == 1)
            {
                await FillAsync(place with { Sqlite = filled });
            }

            File.Copy(filled, file);
        }
        else if (!place.InMemory)
        {
            await FillAsync(place);
        }

        return place;
    }

    public void Dispose() => directory.Delete(recursive: true);

    async Task FillAsync(BenchmarkOptions place)
    {
        var clock = new HistoryEvents.Clock();
        await using var transport = KeeperDeaths.Transport(place, clock);
        (_, Ids) = await HistoryEvents.WriteAsync(place, transport, clock);
        clock.Offset = TimeSpan.Zero;
        await DeadLetters.WriteAsync(transport, dead, place.Entries);
    }
}
