using System.Xml;
using Jobs;

namespace News;

/// <summary>Keeps the headlines fresh.</summary>
sealed class NewsTasks(FeedClient feeds, NewsDb db, TimeProvider time, ILogger<NewsTasks> logger)
{
    /// <summary>Fetches one source, stores its headlines, and returns how many were new.</summary>
    [Task("news.refresh", Queue = "news", MaxRetries = 5)]
    public async Task<int> RefreshAsync(string source = "cricket", CancellationToken cancellationToken = default)
    {
        try
        {
            // When a feed is away, this throws HttpRequestException: the job runs again after a while, five times at
            // most.
            var headlines = await feeds.FetchAsync(source, cancellationToken);

            // A job may run twice. Headlines are keyed by their link, so the second run adds nothing.
            var added = db.AddHeadlines(source, headlines, time.GetUtcNow());
            logger.LogInformation("{Source}: {Added} new headlines", source, added);
            return added;
        }
        catch (XmlException e)
        {
            // Fetching the feed again at once gives the same text. The next occurrence of the schedule tries again.
            throw new DeadJobException($"The feed '{source}' is not well-formed XML: {e.Message}", e);
        }
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
