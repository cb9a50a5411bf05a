using System.Diagnostics;
using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>What a process has used.</summary>
/// <param name="Cpu">Its CPU time.</param>
/// <param name="At">When, by its own clock.</param>
/// <param name="WorkingSet">The memory that it has, in bytes.</param>
/// <param name="Heap">The managed part of it.</param>
readonly record struct Used(TimeSpan Cpu, TimeSpan At, long WorkingSet, long Heap)
{
    /// <summary>CPU time as a part of one core's time.</summary>
    public static double Share(Used from, Used to) => (to.Cpu - from.Cpu) / (to.At - from.At);
}

/// <summary>A process that runs <see cref="DashboardChild"/>.</summary>
sealed class DashboardProcess : IAsyncDisposable
{
    static readonly TimeSpan patience = TimeSpan.FromMinutes(2);

    readonly Process process;

    DashboardProcess(Process process) => this.process = process;

    /// <summary>The address of the site; <see langword="null"/> when it has none.</summary>
    public Uri? Address { get; private set; }

    public static async Task<DashboardProcess> StartAsync(BenchmarkOptions options, string role, int rate = 0)
    {
        string[] where = options switch
        {
            { InMemory: true } => ["--transport", "memory"],
            { Sqlite: { } file } => ["--transport", $"sqlite:{file}"],
            { Management: { } management } => ["--broker", options.Broker, "--management", management],
            _ => ["--broker", options.Broker],
        };
        string[] pace = rate == 0 ? [] : ["--rate", rate.ToString(CultureInfo.InvariantCulture)];
        string[] arguments = [typeof(DashboardProcess).Assembly.Location, "dashboard-child", .. where, "--role", role, .. pace];
        var child = new DashboardProcess(Process.Start(new ProcessStartInfo("dotnet", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!);
        var line = await child.ReadAsync();
        child.Address = line.Length == 0 ? null : new(line);
        return child;
    }

    public async Task<Used> UsedAsync()
    {
        await process.StandardInput.WriteLineAsync("used");
        await process.StandardInput.FlushAsync();
        var numbers = (await ReadAsync()).Split(' ').Select(text => long.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        return new(new(numbers[0]), Stopwatch.GetElapsedTime(0, numbers[1]), numbers[2], numbers[3]);
    }

    public async ValueTask DisposeAsync()
    {
        process.StandardInput.Close();
        try
        {
            await process.WaitForExitAsync().WaitAsync(patience);
        }
        catch (TimeoutException)
        {
            process.Kill();
        }

        process.Dispose();
    }

    async Task<string> ReadAsync() =>
        await process.StandardOutput.ReadLineAsync().WaitAsync(patience) ?? throw new InvalidOperationException("A process of the benchmark has ended.");
}
