using System.Buffers;
using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>One message on its way into the file.</summary>
sealed class PublishOperation : WriteOperation
{
    [ThreadStatic]
    static ArrayBufferWriter<byte>? scratch;

    readonly TaskCompletionSource completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Outgoing outgoing;
    readonly byte[] head;
    readonly long now;

    /// <param name="outgoing">The message.</param>
    /// <param name="now">The time in milliseconds.</param>
    /// <exception cref="JobPublishException">The message cannot be stored.</exception>
    public PublishOperation(in Outgoing outgoing, long now)
    {
        this.outgoing = outgoing;
        head = Head(outgoing);
        this.now = now;
    }

    // News of a job that has not ended may be lost: the next news replace them.
    public override bool NeedsSync => outgoing is not { Kind: OutgoingKind.Reply, Queue: ResultStore.ById } || outgoing.Message.Headers.Expires is not null;

    public Task Task => completion.Task;

    /// <returns>The message without its body, as it is stored.</returns>
    public static byte[] Head(in Outgoing outgoing)
    {
        var writer = scratch ??= new(1024);
        writer.ResetWrittenCount();
        try
        {
            StoredMessage.Write(outgoing.Message, outgoing.PendingId is not null, writer);
            return writer.WrittenSpan.ToArray();
        }
        catch (ArgumentException e)
        {
            throw SqliteErrors.Publish(outgoing, e, maybe: false);
        }
    }

    public override void Execute(Tables tables) => tables.Publish(outgoing, now, head);

    protected override void Committed() => completion.TrySetResult();

    protected override void Failed(Exception why, bool maybe) =>
        completion.TrySetException(why is OperationCanceledException ? why : SqliteErrors.Publish(outgoing, why, maybe));
}
