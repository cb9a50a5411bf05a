using Jobs.Faults.Logs;

namespace Jobs.Faults.Load;

/// <summary>Which kind of job has which number: the same in every run, so that nothing has to be kept about it.</summary>
static class LoadMix
{
    static readonly string[] texts = [.. Enumerable.Range(0, 64).Select(i => new string('x', 150 + i))];

    /// <summary>For the record.</summary>
    public const string Description = "84 % plain, 6 % delayed by 1 to 5 s, 6 % that fail once and are retried, 2 % that run 1 to 3 s, "
        + "2 % that die and are sent back from the dead letters; about 200 bytes of arguments; "
        + "every tenth call is a chain of three, whose result the producer awaits";

    /// <summary>How many jobs a chain has; they have consecutive numbers.</summary>
    public const int Links = 3;

    const int CallsForOneChain = 10;

    /// <summary>Whether a producer's call with this number enqueues a chain.</summary>
    public static bool IsChain(int call) => call % CallsForOneChain == 0;

    /// <summary>A chain, by the key of its first job.</summary>
    public static Chain<string> Chain(JobKey key) =>
        (LoadJobs.Link(texts[key.Number % texts.Length]) with { Queue = LoadQueues.Quick, Id = key.ToString() })
        .Then(LoadSteps.Link() with { Queue = LoadQueues.Quick, Id = (key with { Number = key.Number + 1 }).ToString() })
        .Then(LoadSteps.Link() with { Queue = LoadQueues.Quick, Id = (key with { Number = key.Number + 2 }).ToString() });

    public static Job Of(JobKey key)
    {
        var text = texts[(key.Number * 31 + key.Producer) % texts.Length];
        var job = (key.Number % 50) switch
        {
            7 => LoadJobs.Slow(text) with { Queue = LoadQueues.Slow },
            3 or 19 or 37 => LoadJobs.Plain(text) with { Queue = LoadQueues.Quick, Delay = TimeSpan.FromMilliseconds(1000 + key.Number * 17 % 4000) },
            13 => Dying(key),
            5 or 23 or 41 => LoadJobs.Retried(text) with { Queue = LoadQueues.Quick },
            _ => LoadJobs.Plain(text) with { Queue = LoadQueues.Quick },
        };
        return job with { Id = key.ToString() };
    }

    public static Job Victim(JobKey key) => LoadJobs.Plain(texts[key.Number % texts.Length]) with { Queue = LoadQueues.Victim, Id = key.ToString() };

    public static Job Dying(JobKey key) => LoadJobs.Dying(texts[key.Number % texts.Length]) with { Queue = LoadQueues.Quick, Id = key.ToString() };

    public static Job Early(JobKey key) => LoadJobs.Early(texts[key.Number % texts.Length]) with { Queue = LoadQueues.Quick, Id = key.ToString() };
}
