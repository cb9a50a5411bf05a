using System.Xml;
using Jobs;

namespace News;

/// <summary>Keeps the headlines fresh: what one job fetches, the next one stores.</summary>
sealed class NewsTasks(FeedClient feeds, NewsDb db, TimeProvider time, ILogger<NewsTasks> logger)
{
    /// <summary>Fetches the headlines of one source.</summary>
    [Task("news.fetch", Queue = "news", MaxRetries = 5)]
    public async Task<IReadOnlyList<Headline>> FetchAsync(string source, JobContext job, CancellationToken cancellationToken)
    {
        try
        {
            await job.ReportProgressAsync(0.1, "asking the feed", cancellationToken);

            // When a feed is away, this throws HttpRequestException: the job runs again after a while, five times at
            // most.
            return await feeds.FetchAsync(source, cancellationToken);
        }
        catch (XmlException e)
        {
            // Fetching the feed again at once gives the same text. The next occurrence of the schedule tries again.
            throw new DeadJobException($"The feed '{source}' is not well-formed XML: {e.Message}", e);
        }
    }

    /// <summary>Stores headlines, and returns how many were new.</summary>
    [Task("news.store", Queue = "news")]
    public int Store(IReadOnlyList<Headline> headlines, string source)
    {
        // A job may run twice. Headlines are keyed by their link, so the second run adds nothing.
        var added = db.AddHeadlines(source, headlines, time.GetUtcNow());
        logger.LogInformation("{Source}: {Added} new headlines", source, added);
        return added;
    }

    /// <summary>Deletes headlines that nobody reads any more.</summary>
    [Task("news.prune", Queue = "news")]
    [Cron("30 4 * * *")]
    public void Prune()
    {
        var removed = db.RemoveHeadlinesBefore(time.GetUtcNow().AddDays(-30));
        logger.LogInformation("{Removed} old headlines removed", removed);
    }
}
