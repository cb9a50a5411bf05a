namespace Jobs;

/// <summary>Composes jobs of jobs: what runs next, and what runs when a job has failed.</summary>
/// <remarks>
/// A step takes the result of the job before it as its first argument; the types must fit. A job takes nothing from the
/// job before it. Every job of a chain runs at least once, with an id that does not change.
/// <para>The error about a step that does not fit shows the names of the type parameters; hence <c>TResult</c>.</para>
/// </remarks>
public static class Canvas
{
    /// <summary>Then this step runs, with the result of the job.</summary>
    public static Chain Then<TResult, TIn>(this Job<TResult> job, Step<TIn> next)
        where TResult : TIn => new([First(job), Taking(next)]);

    /// <inheritdoc cref="Then{TResult, TIn}(Job{TResult}, Step{TIn})"/>
    public static Chain<TOut> Then<TResult, TIn, TOut>(this Job<TResult> job, Step<TIn, TOut> next)
        where TResult : TIn => new([First(job), Taking(next)]);

    /// <summary>Then this job runs, without the result.</summary>
    public static Chain Then(this Job job, Job next) => new([First(job), First(next)]);

    /// <inheritdoc cref="Then(Job, Job)"/>
    public static Chain<TOut> Then<TOut>(this Job job, Job<TOut> next) => new([First(job), First(next)]);

    /// <summary>Then this chain runs, without the result.</summary>
    public static Chain Then(this Job job, Chain next) => new([First(job), .. LinksOf(next)]);

    /// <inheritdoc cref="Then(Job, Chain)"/>
    public static Chain<TOut> Then<TOut>(this Job job, Chain<TOut> next) => new([First(job), .. LinksOf(next)]);

    /// <summary>Then this step runs, with the result of the chain's last job.</summary>
    public static Chain Then<TResult, TIn>(this Chain<TResult> chain, Step<TIn> next)
        where TResult : TIn => new([.. LinksOf(chain), Taking(next)]);

    /// <inheritdoc cref="Then{TResult, TIn}(Chain{TResult}, Step{TIn})"/>
    public static Chain<TOut> Then<TResult, TIn, TOut>(this Chain<TResult> chain, Step<TIn, TOut> next)
        where TResult : TIn => new([.. LinksOf(chain), Taking(next)]);

    /// <summary>Then this job runs, without the result.</summary>
    public static Chain Then(this Chain chain, Job next) => new([.. LinksOf(chain), First(next)]);

    /// <inheritdoc cref="Then(Chain, Job)"/>
    public static Chain<TOut> Then<TOut>(this Chain chain, Job<TOut> next) => new([.. LinksOf(chain), First(next)]);

    /// <summary>Then this chain runs, without the result.</summary>
    public static Chain Then(this Chain chain, Chain next) => new([.. LinksOf(chain), .. LinksOf(next)]);

    /// <inheritdoc cref="Then(Chain, Chain)"/>
    public static Chain<TOut> Then<TOut>(this Chain chain, Chain<TOut> next) => new([.. LinksOf(chain), .. LinksOf(next)]);

    /// <summary>
    /// When the job has succeeded, this job is enqueued too. Nothing waits for it, and its end changes nothing.
    /// </summary>
    public static TJob OnSuccess<TJob>(this TJob job, Job next)
        where TJob : Job => Followed(job, First(next), onFailure: false);

    /// <summary>When the job has succeeded, this step is enqueued too, with the result of the job.</summary>
    public static Job<TResult> OnSuccess<TResult, TIn>(this Job<TResult> job, Step<TIn> next)
        where TResult : TIn => Followed(job, Taking(next), onFailure: false);

    /// <summary>
    /// When the job is dead or has expired, this job is enqueued. The headers <c>x-jobs-failed-id</c>,
    /// <c>x-jobs-failed-type</c> and <c>x-jobs-failed-message</c> say what has failed; see
    /// <see cref="JobContext.Headers"/>.
    /// </summary>
    public static TJob OnFailure<TJob>(this TJob job, Job next)
        where TJob : Job => Followed(job, First(next), onFailure: true);

    /// <summary>
    /// When the job is dead or has expired, this step is enqueued. Its first argument is the id of the failed job, as
    /// in Celery.
    /// </summary>
    /// <inheritdoc cref="OnFailure{TJob}(TJob, Job)"/>
    public static TJob OnFailure<TJob>(this TJob job, Step<string> next)
        where TJob : Job => Followed(job, Taking(next), onFailure: true);

    internal static Link Taking<TIn>(Step<TIn> step)
    {
        ArgumentNullException.ThrowIfNull(step);
        return new(step.Job, TakesResult: true);
    }

    internal static Link First(Job job)
    {
        ArgumentNullException.ThrowIfNull(job);
        return new(job, TakesResult: false);
    }

    internal static TJob Followed<TJob>(TJob job, Link next, bool onFailure)
        where TJob : Job
    {
        ArgumentNullException.ThrowIfNull(job);
        var followers = job.Followers ?? Followers.None;
        return (TJob)(job with
        {
            Followers = onFailure ? followers with { OnFailure = followers.OnFailure.Add(next) } : followers with { OnSuccess = followers.OnSuccess.Add(next) },
        });
    }

    static IEnumerable<Link> LinksOf(Chain chain)
    {
        ArgumentNullException.ThrowIfNull(chain);
        return chain.Links;
    }
}
