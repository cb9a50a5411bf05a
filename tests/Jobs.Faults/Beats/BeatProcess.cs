using System.Globalization;
using Jobs.Brokers;

namespace Jobs.Faults.Beats;

/// <summary>One beat, over all its lives: a process, and a way of its own to each node that can be cut.</summary>
sealed class BeatProcess(int index, LocalCluster cluster, int schedules, string folder) : IAsyncDisposable
{
    readonly TcpProxy[] links = [.. cluster.AmqpUris.Select(TcpProxy.Start)];
    GuardedProcess? process;
    string output = "";
    int lives;

    /// <summary>When it became leader, or <see langword="null"/> while it is none.</summary>
    public DateTime? LeadsSince { get; private set; }

    public bool IsRunning => process is { HasEnded: false };

    public bool IsPaused { get; private set; }

    int Id { get; set; }

    int Port { get; set; }

    /// <summary>The node that its leadership comes from.</summary>
    public int Node => Array.FindIndex(links, link => link.Port == Port);

    public async Task StartAsync()
    {
        if (process is not null)
        {
            await process.DisposeAsync();
        }

        (LeadsSince, Id, Port) = (null, 0, 0);
        output = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"beat{index}.{++lives:0000}.log"));
        var uri = $"amqp://guest:guest@{string.Join(',', links.Select(link => $"127.0.0.1:{link.Port}"))}/";
        var (file, arguments) = BeatProgram.Start(uri, schedules);
        process = GuardedProcess.Start(file, arguments, new Dictionary<string, string> { ["DOTNET_gcServer"] = "0", ["DOTNET_TieredPGO"] = "0" }, output);
    }

    /// <summary>What it has said until now.</summary>
    public void Read()
    {
        if (!File.Exists(output))
        {
            return;
        }

        using var reader = new StreamReader(new FileStream(output, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        while (reader.ReadLine() is { } line)
        {
            var words = line.Split(' ');
            if (words.Length < 2 || !long.TryParse(words[0], CultureInfo.InvariantCulture, out var ticks))
            {
                continue;
            }

            switch (words[1])
            {
                case "PID" when words.Length == 3: Id = int.Parse(words[2], CultureInfo.InvariantCulture); break;
                case "PORT" when words.Length == 3: Port = int.Parse(words[2], CultureInfo.InvariantCulture); break;
                case "LEADS": LeadsSince = new(ticks, DateTimeKind.Utc); break;
                case "LOST": LeadsSince = null; break;
            }
        }

        LeadsSince = IsRunning ? LeadsSince : null;
    }

    public bool IsUp
    {
        get
        {
            Read();
            return IsRunning && Port != 0;
        }
    }

    public Task KillAsync() => process!.KillAsync();

    public void Cut()
    {
        foreach (var link in links)
        {
            link.ResetAll();
        }
    }

    public void Stop() => Send(Signal.Terminate);

    public void Pause()
    {
        Send(Signal.Stop);
        IsPaused = true;
    }

    public void Resume()
    {
        Send(Signal.Continue);
        IsPaused = false;
    }

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
        {
            await process.DisposeAsync();
        }

        foreach (var link in links)
        {
            await link.DisposeAsync();
        }
    }

    void Send(Signal signal) => OwnProcess.Send(Id, signal, () => !IsRunning);
}
