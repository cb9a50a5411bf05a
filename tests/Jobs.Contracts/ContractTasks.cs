using System.Collections.Concurrent;

namespace Jobs.Contracts;

/// <summary>What the tests see of the tasks that ran, and how they steer these.</summary>
public sealed class ContractBench
{
    /// <summary>The runs: task, job id and argument, in the order in which they began.</summary>
    public ConcurrentQueue<(string Task, string Id, string Argument)> Runs { get; } = new();

    /// <summary>The contexts' headers of the last runs, by job id.</summary>
    public ConcurrentDictionary<string, IReadOnlyDictionary<string, object?>> Headers { get; } = new();

    /// <summary>Completes when the task <c>contract.wait</c> has begun.</summary>
    public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The task <c>contract.wait</c> ends when this completes.</summary>
    public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether <c>contract.broken</c> fails.</summary>
    public volatile bool Broken;

    /// <summary>Notes a run.</summary>
    public void Ran(JobContext context, object? argument)
    {
        Headers[context.Id] = context.Headers;
        Runs.Enqueue((context.TaskName, context.Id, Convert.ToString(argument, System.Globalization.CultureInfo.InvariantCulture) ?? ""));
    }
}

/// <summary>A value of its own type.</summary>
public sealed record Headline(string Title, int Words);

/// <summary>A value with a secret in it.</summary>
public sealed record Account(string Owner, string ApiKey);

/// <summary>The tasks of the tests that run on every transport.</summary>
public sealed class ContractTasks(ContractBench bench)
{
    /// <summary>Adds.</summary>
    [Task("contract.add")]
    public int Add(int a, int b, JobContext context)
    {
        bench.Ran(context, a + b);
        return a + b;
    }

    /// <summary>Makes a headline.</summary>
    [Task("contract.headline")]
    public Headline Headline(string title, JobContext context)
    {
        bench.Ran(context, title);
        return new(title, title.Split(' ').Length);
    }

    /// <summary>Says how many words a headline has.</summary>
    [Task("contract.words")]
    public int Words(Headline headline, int factor, JobContext context)
    {
        bench.Ran(context, headline.Title);
        return headline.Words * factor;
    }

    /// <summary>Returns nothing.</summary>
    [Task("contract.note")]
    public void Note(string text, JobContext context) => bench.Ran(context, text);

    /// <summary>Is told of a failed job.</summary>
    [Task("contract.failed")]
    public void Failed(string failedId, string note, JobContext context) => bench.Ran(context, $"{note}:{failedId}");

    /// <summary>Fails for good.</summary>
    [Task("contract.fail", MaxRetries = 0)]
    public int Fail(string why, JobContext context)
    {
        bench.Ran(context, why);
        throw new InvalidOperationException(why);
    }

    /// <summary>Knows secrets, and gives one back or fails for good.</summary>
    [Task("contract.open", MaxRetries = 0)]
    public Account Open(string name, [Sensitive] string pin, Account account, bool isWrong, JobContext context)
    {
        bench.Ran(context, pin);
        return isWrong ? throw new InvalidOperationException("The pin is wrong.") : account;
    }

    /// <summary>Fails while the bench is broken, twice.</summary>
    [Task("contract.broken", MaxRetries = 1)]
    public void Broken(string text, JobContext context)
    {
        bench.Ran(context, text);
        if (bench.Broken)
        {
            throw new InvalidOperationException("It is broken.");
        }
    }

    /// <summary>Fails while the bench is broken, four times.</summary>
    [Task("contract.stubborn", MaxRetries = 3)]
    public void Stubborn(JobContext context) => Broken("", context);

    /// <summary>Fails at first, and then succeeds.</summary>
    [Task("contract.flaky", MaxRetries = 5)]
    public string Flaky(int failures, JobContext context)
    {
        bench.Ran(context, context.Attempt);
        return context.Attempt > failures ? $"attempt {context.Attempt}" : throw new TimeoutException($"attempt {context.Attempt}");
    }

    /// <summary>Reports its progress, and waits.</summary>
    [Task("contract.wait", TrackResult = true)]
    public async Task<string> WaitAsync(JobContext context, CancellationToken cancellationToken)
    {
        bench.Ran(context, "");
        await context.ReportProgressAsync(0.4, "nearly half", cancellationToken);
        bench.Begun.TrySetResult();
        await bench.Release.Task.WaitAsync(cancellationToken);
        return "done";
    }

    /// <summary>Returns a text of that length.</summary>
    [Task("contract.large")]
    public string Large(int length) => new('x', length);
}
