using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Options;

namespace Jobs.Control;

/// <summary>Talks to the keeper from any process of the application.</summary>
sealed class KeeperClient : IAsyncDisposable, IDisposable
{
    readonly JobTransport transport;
    readonly JobsOptions options;
    readonly TimeProvider time;
    readonly Lazy<JobJournal> journal;

    public KeeperClient(JobTransport transport, IOptions<JobsOptions> options, TimeProvider time)
    {
        (this.transport, this.options, this.time) = (transport, options.Value, GuardedTime.Of(time));
        journal = new(Open);
    }

    public DateTimeOffset Now => time.GetUtcNow();

    public TimeProvider Time => time;

    /// <summary>How long a caller waits for what should take a moment.</summary>
    public TimeSpan Patience => options.EnqueueTimeout;

    /// <summary>Tells the keeper something; durable when this returns.</summary>
    /// <exception cref="JobPublishException">The keeper may not hear of it.</exception>
    public ValueTask TellAsync(KeeperEntry entry, CancellationToken cancellationToken) =>
        journal.Value.AppendAsync(KeeperRecord.Write(entry), options.EnqueueTimeout, cancellationToken);

    /// <summary>Asks the keeper. When there is none, this process reads the journal itself.</summary>
    /// <exception cref="JobTransportException">Nobody could be asked.</exception>
    public Task<KeeperAnswer> AskAsync(KeeperQuestion question, CancellationToken cancellationToken)
    {
        var bytes = question.Write();
        return JournalReading.ReadAsync(
            journal.Value,
            Open,
            bytes,
            KeeperAnswer.Read,
            reader => Answer(reader, bytes),
            options.EnqueueTimeout,
            time,
            cancellationToken);
    }

    public ValueTask DisposeAsync() => journal.IsValueCreated ? journal.Value.DisposeAsync() : ValueTask.CompletedTask;

    public void Dispose() => this.DisposeWithin(SynchronousDisposal.Limit);

    JobJournal Open() => transport.OpenJournal(KeeperRecord.JournalOf(options.DeadLetterQueue));

    KeeperAnswer Answer(JournalReader reader, byte[] question)
    {
        var state = new KeeperState(time);
        foreach (var record in reader.Backlog)
        {
            try
            {
                state.Read(record);
            }
            catch (System.Text.Json.JsonException)
            {
                // Of a newer version, perhaps; the keeper says so.
            }
        }

        return state.Answer(question);
    }
}
