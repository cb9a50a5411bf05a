using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Jobs.RabbitMQ;

/// <summary>The policies of the queues that Celery applications declare too.</summary>
/// <remarks>
/// 1. Whoever declares a queue with other arguments than those it has gets 406. Celery can declare the type of a queue
/// and nothing else of ours, so the type is the only argument of a shared queue.
/// 2. All other settings of a job queue are in a policy. Jobs makes the policy before it declares the queue: without
/// the policy, the broker drops a message that it should dead-letter.
/// 3. A user who may not make policies relies on an administrator. Then the queue itself must show the policy.
/// 4. Only one policy counts for a queue. So a worker consumes the queue when the broker shows that ours does.
/// </remarks>
sealed class CeleryPolicies(ManagementApi api, QueueLayout layout, string virtualHost, TimeProvider time, ILogger logger)
{
    // The broker shows the policy of a new queue with its first statistics: after up to 10 s by default.
    static readonly TimeSpan patience = TimeSpan.FromSeconds(15);
    static readonly TimeSpan interval = TimeSpan.FromMilliseconds(500);

    readonly ConcurrentDictionary<string, bool> seen = new(StringComparer.Ordinal);

    /// <summary>Whether this process has seen that the policy of the queue is in effect.</summary>
    public bool HasSeen(string queue) => seen.ContainsKey(queue);

    /// <summary>Makes the policy of a queue, unless the broker has it.</summary>
    /// <returns>
    /// Whether the broker has the policy now. Otherwise the user may not make policies, nor look at them.
    /// </returns>
    /// <exception cref="JobTransportException">The management API does not answer, or refuses the policy.</exception>
    public async Task<bool> MakeAsync(string queue, CancellationToken cancellationToken)
    {
        var policy = layout.Policy(queue);
        var path = ManagementApi.Path("policies", virtualHost, policy.Name);
        var there = await api.GetAsync(path, cancellationToken).ConfigureAwait(false);
        if (there.Body is { } existing && policy.IsDoneBy(existing))
        {
            return true; // writing it again would make the broker look at all queues of the virtual host
        }

        var made = there.IsRefused ? there : await api.PutAsync(path, policy.Body(there.Body), cancellationToken).ConfigureAwait(false);
        if (made is { IsSuccess: false, IsRefused: false })
        {
            throw new JobTransportException(
                $"The broker does not take policy '{policy.Name}' of queue '{queue}' ({(int)made.Status}): {made.Reason}. "
                + $"Let an administrator run: {policy.Command(virtualHost)}");
        }

        if (made.IsSuccess)
        {
            Log.PolicyMade(logger, policy.Name, queue, QueueLayout.Python(queue));
        }

        return made.IsSuccess;
    }

    /// <summary>
    /// Checks that the policy of a queue is in effect, for a user who may not make policies. Waits until the broker
    /// shows the policies of the queue.
    /// </summary>
    /// <exception cref="JobTransportException">
    /// The policy is not in effect, the user may not look, or the management API does not answer.
    /// </exception>
    public async Task DemandAsync(string queue, CancellationToken cancellationToken)
    {
        var (since, look) = (time.GetTimestamp(), await LookAsync(queue, cancellationToken).ConfigureAwait(false));
        while (!look.IsKnown && time.GetElapsedTime(since) < patience)
        {
            await Task.Delay(interval, time, cancellationToken).ConfigureAwait(false);
            look = await LookAsync(queue, cancellationToken).ConfigureAwait(false);
        }

        if (look.Difference is { } difference)
        {
            throw new JobTransportException(
                $"Queue '{queue}' is shared with Celery (RabbitMqOptions.CeleryQueues) and needs a policy, but {difference}. The management API does "
                + $"not let user '{api.UserName}' make policies. Give the user the tag policymaker, or let an administrator run: "
                + layout.Policy(queue).Command(virtualHost));
        }
    }

    /// <summary>Waits until the policy of a queue is in effect.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="waits">Is called before each wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="JobTransportException">
    /// The policy does not take effect, the user may not look, or the management API does not answer.
    /// </exception>
    public async Task AwaitAsync(string queue, Action waits, CancellationToken cancellationToken)
    {
        var (since, waited) = (time.GetTimestamp(), false);
        while (await DifferenceAsync().ConfigureAwait(false) is { } difference)
        {
            var policy = layout.Policy(queue);
            if (time.GetElapsedTime(since) >= patience)
            {
                throw new JobTransportException(
                    $"Policy '{policy.Name}' is not in effect, and without it queue '{queue}' loses dead letters: {difference}. Only the policy with the "
                    + $"highest priority counts: delete the other policy, or give it a priority below {QueuePolicy.Priority}. "
                    + $"The policy is made again by: {policy.Command(virtualHost)}");
            }

            waits();
            if (!waited)
            {
                waited = true;
                Log.PolicyAwaited(logger, queue, difference, policy.Name);
            }

            await Task.Delay(interval, time, cancellationToken).ConfigureAwait(false);
        }

        async Task<string?> DifferenceAsync()
        {
            try
            {
                return (await LookAsync(queue, cancellationToken).ConfigureAwait(false)).Difference;
            }
            catch (JobTransportException e) when (e.IsTransient && HasSeen(queue))
            {
                return null; // a management API that is down must not stop workers that have seen the policy before
            }
        }
    }

    async Task<(bool IsKnown, string? Difference)> LookAsync(string queue, CancellationToken cancellationToken)
    {
        // The columns keep the answer short, and cost the broker less than all statistics of the queue.
        var path = ManagementApi.Path("queues", virtualHost, queue) + "?columns=policy,effective_policy_definition";
        var answer = await api.GetAsync(path, cancellationToken).ConfigureAwait(false);
        if (answer.IsRefused)
        {
            throw new JobTransportException(
                $"The management API does not let user '{api.UserName}' look at queue '{queue}' ({(int)answer.Status}): {answer.Reason}. Check the "
                + $"credentials, give the user the tag management, and permissions in the virtual host '{virtualHost}'");
        }

        if (answer.Body is not { ValueKind: JsonValueKind.Object } body || !body.TryGetProperty("effective_policy_definition", out var definition))
        {
            return (false, "the broker does not show its policies yet");
        }

        string[] lacks = [.. layout.Policy(queue).Lacks(definition)];
        if (lacks.Length == 0)
        {
            seen[queue] = true;
            return (true, null);
        }

        var name = body.TryGetProperty("policy", out var policy) && policy.ValueKind == JsonValueKind.String ? policy.GetString() : null;
        return (true, $"{(string.IsNullOrEmpty(name) ? "no policy" : $"policy '{name}'")} is in effect (missing: {string.Join(", ", lacks)})");
    }
}
