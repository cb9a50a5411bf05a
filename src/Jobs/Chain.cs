using System.Collections.Immutable;

namespace Jobs;

/// <summary>
/// Jobs that run one after the other: each starts when the one before it has succeeded. Made with <c>Then</c>; see
/// <see cref="Canvas"/>. A chain is immutable.
/// </summary>
/// <remarks>
/// The chain travels in the message of its first job, and needs no other state. When a job of it is dead or expired,
/// the chain ends there: the later jobs do not run, and the handle of the chain fails.
/// </remarks>
public record Chain
{
    internal Chain(ImmutableArray<Link> links) => Links = links;

    /// <summary>
    /// Whether the caller wants to hear what becomes of the last job. Defaults to what the last job or its task says.
    /// </summary>
    public bool? Result { get; init; }

    internal ImmutableArray<Link> Links { get; init; }

    internal Job Last => Links[^1].Job;

    /// <summary>Equal chains have equal jobs in the same order.</summary>
    public virtual bool Equals(Chain? other) =>
        other is not null && EqualityContract == other.EqualityContract && Result == other.Result && Links.SequenceEqual(other.Links);

    /// <inheritdoc/>
    public override int GetHashCode() => Links.Aggregate(Result.GetHashCode(), HashCode.Combine);

    /// <summary>When the last job has succeeded, this job is enqueued too. Nothing waits for it.</summary>
    public Chain OnSuccess(Job next) => this with { Links = LastFollowedBy(Canvas.First(next)) };

    /// <summary>
    /// When a job of the chain is dead or has expired, this job is enqueued, once. Its headers say what has failed; see
    /// <see cref="Canvas.OnFailure{TJob}(TJob, Job)"/>.
    /// </summary>
    public Chain OnFailure(Job next) => this with { Links = AllFollowedBy(Canvas.First(next)) };

    /// <summary>
    /// When a job of the chain is dead or has expired, this step is enqueued, once. Its first argument is the id of
    /// that job, as in Celery.
    /// </summary>
    public Chain OnFailure(Step<string> next) => this with { Links = AllFollowedBy(Canvas.Taking(next)) };

    internal ImmutableArray<Link> LastFollowedBy(Link next) =>
        Links.SetItem(Links.Length - 1, Links[^1] with { Job = Canvas.Followed(Last, next, onFailure: false) });

    internal ImmutableArray<Link> AllFollowedBy(Link next) =>
        [.. Links.Select(link => link with { Job = Canvas.Followed(link.Job, next, onFailure: true) })];
}

/// <summary>A chain whose last job returns a <typeparamref name="T"/>.</summary>
/// <typeparam name="T">What the last task returns.</typeparam>
public sealed record Chain<T> : Chain
{
    internal Chain(ImmutableArray<Link> links)
        : base(links)
    {
    }

    /// <inheritdoc/>
    public new Chain<T> OnSuccess(Job next) => this with { Links = LastFollowedBy(Canvas.First(next)) };

    /// <summary>When the last job has succeeded, this step is enqueued too, with its result.</summary>
    public Chain<T> OnSuccess(Step<T> next) => this with { Links = LastFollowedBy(Canvas.Taking(next)) };

    /// <inheritdoc/>
    public new Chain<T> OnFailure(Job next) => this with { Links = AllFollowedBy(Canvas.First(next)) };

    /// <inheritdoc/>
    public new Chain<T> OnFailure(Step<string> next) => this with { Links = AllFollowedBy(Canvas.Taking(next)) };
}

/// <summary>A job in a chain, or after another job.</summary>
/// <param name="Job">The job.</param>
/// <param name="TakesResult">
/// Whether the job lacks its first argument, and gets the result of the job before it.
/// </param>
readonly record struct Link(Job Job, bool TakesResult);

/// <summary>What follows a job: Celery's callbacks and errbacks.</summary>
/// <param name="OnSuccess">The jobs that run when the job has succeeded.</param>
/// <param name="OnFailure">The jobs that run when the job is dead or has expired.</param>
sealed record Followers(ImmutableArray<Link> OnSuccess, ImmutableArray<Link> OnFailure)
{
    public static Followers None { get; } = new([], []);

    public bool Equals(Followers? other) =>
        other is not null && OnSuccess.SequenceEqual(other.OnSuccess) && OnFailure.SequenceEqual(other.OnFailure);

    public override int GetHashCode() => OnFailure.Aggregate(OnSuccess.Aggregate(0, HashCode.Combine), HashCode.Combine);
}
