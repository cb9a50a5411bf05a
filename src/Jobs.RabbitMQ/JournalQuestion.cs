using System.Buffers;
using Jobs.Wire;
using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>A question to the reader of a journal, and its answer.</summary>
/// <remarks>
/// 1. The asker consumes RabbitMQ's direct reply-to, for which a user needs no right to configure, and publishes the
/// question into the journal's queue on the same channel. 2. The question stands behind all records that were there
/// before, so the reader has those when the question arrives. 3. The reader answers in messages of bounded size.
/// 4. When a message of an answer is lost, the asker's time runs out and the asker asks again.
/// </remarks>
sealed class JournalQuestion : AsyncDefaultBasicConsumer
{
    const string ReplyTo = "amq.rabbitmq.reply-to";
    const int MostBytes = 1024 * 1024;

    readonly TaskCompletionSource<ReadOnlyMemory<byte>> answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly ArrayBufferWriter<byte> answer = new();
    int parts;

    JournalQuestion(IChannel channel)
        : base(channel)
    {
    }

    /// <exception cref="TimeoutException">Nobody answered in time.</exception>
    public static async Task<ReadOnlyMemory<byte>> AskAsync(
        Incarnation incarnation, string queue, ReadOnlyMemory<byte> question, TimeSpan timeout, TimeProvider time, CancellationToken life)
    {
        var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life).ConfigureAwait(false);
        try
        {
            var asking = new JournalQuestion(channel);
            await channel.BasicConsumeAsync(ReplyTo, autoAck: true, "", noLocal: false, exclusive: false, null, asking, life).ConfigureAwait(false);
            var properties = new BasicProperties
            {
                DeliveryMode = DeliveryModes.Persistent,
                ReplyTo = ReplyTo,
                Headers = new Dictionary<string, object?> { [WireHeaders.Ask] = true },
            };
            await channel.BasicPublishAsync("", queue, mandatory: false, properties, question, life).ConfigureAwait(false);
            return await asking.answered.Task.WaitAsync(timeout, time, life).ConfigureAwait(false);
        }
        finally
        {
            _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a peer that is silent
        }
    }

    /// <summary>Answers a question. Whatever fails is dropped: the asker asks again.</summary>
    public static async Task AnswerAsync(Incarnation incarnation, string replyTo, ReadOnlyMemory<byte> answer, CancellationToken life)
    {
        try
        {
            var count = (answer.Length + MostBytes - 1) / MostBytes;
            await incarnation.OnChannelAsync(
                async channel =>
                {
                    for (var i = 0; i < count; i++)
                    {
                        var properties = new BasicProperties { Headers = new Dictionary<string, object?> { [WireHeaders.Parts] = count } };
                        var part = answer.Slice(i * MostBytes, Math.Min(MostBytes, answer.Length - (i * MostBytes)));
                        await channel.BasicPublishAsync("", replyTo, mandatory: false, properties, part, life).ConfigureAwait(false);
                    }

                    return true;
                },
                life).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // As above.
        }
    }

    public override Task HandleBasicDeliverAsync(
        string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
        ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        answer.Write(body.Span);
        if (properties.Headers?.TryGetValue(WireHeaders.Parts, out var count) == true && count is int all && ++parts == all)
        {
            answered.TrySetResult(answer.WrittenMemory);
        }

        return Task.CompletedTask;
    }

    public override Task HandleChannelShutdownAsync(object channel, global::RabbitMQ.Client.Events.ShutdownEventArgs reason)
    {
        answered.TrySetException(new IOException($"The channel ended: {reason.ReplyCode} {reason.ReplyText}"));
        return Task.CompletedTask;
    }
}
