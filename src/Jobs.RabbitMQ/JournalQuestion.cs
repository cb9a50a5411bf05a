using System.Buffers;
using System.Buffers.Binary;
using Jobs.Wire;
using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>A question for all records of a journal, and its answer.</summary>
/// <remarks>
/// 1. The asker consumes RabbitMQ's direct reply-to, for which a user needs no right to configure, and publishes the
/// question into the journal's queue on the same channel. 2. The question stands behind all records that were there
/// before, so the reader has those when the question arrives. 3. The reader answers with the records in its hands, in
/// messages of bounded size.
/// 4. When a message of an answer is lost, the asker's time runs out and the asker asks again.
/// </remarks>
sealed class JournalQuestion : AsyncDefaultBasicConsumer
{
    const string ReplyTo = "amq.rabbitmq.reply-to";
    const int MostBytes = 1024 * 1024;

    readonly TaskCompletionSource<IReadOnlyList<ReadOnlyMemory<byte>>> answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly List<ReadOnlyMemory<byte>> records = [];
    int parts;

    JournalQuestion(IChannel channel)
        : base(channel)
    {
    }

    /// <exception cref="TimeoutException">Nobody answered in time.</exception>
    public static async Task<IReadOnlyList<ReadOnlyMemory<byte>>> AskAsync(
        Incarnation incarnation, string queue, TimeSpan timeout, TimeProvider time, CancellationToken life)
    {
        var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life).ConfigureAwait(false);
        try
        {
            var question = new JournalQuestion(channel);
            await channel.BasicConsumeAsync(ReplyTo, autoAck: true, "", noLocal: false, exclusive: false, null, question, life).ConfigureAwait(false);
            var properties = new BasicProperties
            {
                DeliveryMode = DeliveryModes.Persistent,
                ReplyTo = ReplyTo,
                Headers = new Dictionary<string, object?> { [WireHeaders.Ask] = true },
            };
            await channel.BasicPublishAsync("", queue, mandatory: false, properties, ReadOnlyMemory<byte>.Empty, life).ConfigureAwait(false);
            return await question.answered.Task.WaitAsync(timeout, time, life).ConfigureAwait(false);
        }
        finally
        {
            _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a peer that is silent
        }
    }

    /// <summary>Answers a question. Whatever fails is dropped: the asker asks again.</summary>
    public static async Task AnswerAsync(Incarnation incarnation, string replyTo, IReadOnlyList<ReadOnlyMemory<byte>> records, CancellationToken life)
    {
        try
        {
            var messages = Messages(records);
            await incarnation.OnChannelAsync(
                async channel =>
                {
                    foreach (var message in messages)
                    {
                        var properties = new BasicProperties { Headers = new Dictionary<string, object?> { [WireHeaders.Parts] = messages.Count } };
                        await channel.BasicPublishAsync("", replyTo, mandatory: false, properties, message, life).ConfigureAwait(false);
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
        try
        {
            for (var rest = body.Span; !rest.IsEmpty;)
            {
                var length = BinaryPrimitives.ReadInt32BigEndian(rest);
                records.Add(rest.Slice(4, length).ToArray());
                rest = rest[(4 + length)..];
            }

            if (++parts == properties.Headers?[WireHeaders.Parts] as int?)
            {
                answered.TrySetResult(records);
            }
        }
        catch (Exception e)
        {
            answered.TrySetException(e); // no answer of ours
        }

        return Task.CompletedTask;
    }

    public override Task HandleChannelShutdownAsync(object channel, global::RabbitMQ.Client.Events.ShutdownEventArgs reason)
    {
        answered.TrySetException(new IOException($"The channel ended: {reason.ReplyCode} {reason.ReplyText}"));
        return Task.CompletedTask;
    }

    /// <summary>
    /// Each record behind its length; at least one message, so that the asker learns of an empty journal.
    /// </summary>
    static List<ReadOnlyMemory<byte>> Messages(IReadOnlyList<ReadOnlyMemory<byte>> records)
    {
        var (messages, message) = (new List<ReadOnlyMemory<byte>>(), new ArrayBufferWriter<byte>());
        foreach (var record in records)
        {
            if (message.WrittenCount > 0 && message.WrittenCount + record.Length > MostBytes)
            {
                messages.Add(message.WrittenMemory);
                message = new();
            }

            BinaryPrimitives.WriteInt32BigEndian(message.GetSpan(4), record.Length);
            message.Advance(4);
            message.Write(record.Span);
        }

        messages.Add(message.WrittenMemory);
        return messages;
    }
}
