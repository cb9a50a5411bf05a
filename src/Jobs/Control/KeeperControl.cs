namespace Jobs.Control;

/// <summary>Acts through requests to the keeper, and through the dispatcher.</summary>
sealed class KeeperControl(KeeperClient keeper, IJobDispatcher dispatcher) : JobControl
{
    const int MostLength = 255;

    static readonly TimeSpan firstLook = TimeSpan.FromMilliseconds(20);
    static readonly TimeSpan betweenLooks = TimeSpan.FromSeconds(1);

    public override Task<DeadLetterRequest> RetryDeadLettersAsync(
        DeadLetterQuery query, DeadLetterRetry? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        options ??= new();
        if (options.PerSecond is not (> 0 and <= 1_000_000))
        {
            throw new ArgumentException($"PerSecond is {options.PerSecond}: it must be more than 0, and at most 1,000,000.", nameof(options));
        }

        var changes = options.Arguments is not null || options.NamedArguments is not null;
        if (changes && query.Ids is not { Count: 1 })
        {
            throw new ArgumentException("Arguments can be changed for one job at a time: give exactly one id.", nameof(query));
        }

        if (options.RequestId is { Length: 0 or > MostLength })
        {
            throw new ArgumentException($"A RequestId has 1 to {MostLength} characters; this one has {options.RequestId.Length}.", nameof(options));
        }

        if (Letters.Problem(options.Arguments, options.NamedArguments) is { } problem)
        {
            throw new ArgumentException($"{problem}.", nameof(options));
        }

        return RequestAsync(
            new()
            {
                Id = options.RequestId ?? Guid.CreateVersion7(keeper.Now).ToString(),
                Action = DeadLetterAction.Retry,
                Query = query,
                At = keeper.Now,
                PerSecond = options.PerSecond,
                Arguments = options.Arguments,
                NamedArguments = options.NamedArguments,
            },
            options.Wait,
            options.Progress,
            cancellationToken);
    }

    public override Task<DeadLetterRequest> DeleteDeadLettersAsync(DeadLetterQuery query, bool wait = true, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        var request = new DeadLetterRequest
        {
            Id = Guid.CreateVersion7(keeper.Now).ToString(),
            Action = DeadLetterAction.Delete,
            Query = query,
            At = keeper.Now,
        };
        return RequestAsync(request, wait, progress: null, cancellationToken);
    }

    public override Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(job);
        return dispatcher.EnqueueAsync(job with { IsWatched = true }, cancellationToken);
    }

    public override async Task<DeadLetterRequest?> GetRequestAsync(string id, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return (await keeper.AskAsync(new() { Request = id }, cancellationToken).ConfigureAwait(false)).Request;
    }

    // With the lowest version: a request that is made again overrides nothing that the keeper has noted of it.
    async Task TellAsync(DeadLetterRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await keeper.TellAsync(KeeperEntry.Of(request, version: 0), cancellationToken).ConfigureAwait(false);
        }
        catch (JobPublishException e)
        {
            throw new JobPublishException(
                request.Id,
                e.MaybeEnqueued,
                e.IsTransient,
                $"Request {request.Id} about dead letters {(e.MaybeEnqueued ? "may not have" : "has not")} reached the keeper. Make it again, with this id. "
                    + e.Message,
                e);
        }
    }

    async Task<DeadLetterRequest> RequestAsync(
        DeadLetterRequest request, bool wait, IProgress<DeadLetterRequest>? progress, CancellationToken cancellationToken)
    {
        await TellAsync(request, cancellationToken).ConfigureAwait(false);
        var began = keeper.Time.GetTimestamp();
        for (var pause = firstLook; wait; pause = pause * 2 < betweenLooks ? pause * 2 : betweenLooks)
        {
            await Task.Delay(pause, keeper.Time, cancellationToken).ConfigureAwait(false);
            if (await GetRequestAsync(request.Id, cancellationToken).ConfigureAwait(false) is { } known)
            {
                request = known;
                progress?.Report(known);
            }

            var isPatient = keeper.Patience < TimeSpan.Zero || keeper.Time.GetElapsedTime(began) < keeper.Patience;
            wait = request.State == DeadLetterRequestState.Running || (request.State == DeadLetterRequestState.Waiting && isPatient);
        }

        return request;
    }
}
