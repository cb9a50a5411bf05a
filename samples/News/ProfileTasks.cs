using System.Globalization;
using Jobs;

namespace News;

/// <summary>
/// Keeps readers' profiles up to date. Every login enqueues this task, so that no login waits for the work.
/// </summary>
sealed class ProfileTasks(NewsDb db, TimeProvider time, ILogger<ProfileTasks> logger)
{
    /// <summary>Computes a reader's profile from what the site has stored about them.</summary>
    [Task("profile.refresh")]
    public void Refresh(string user)
    {
        // The task counts everything anew and increments nothing, so a job that runs twice leaves the same profile.
        var (logins, lastLogin) = db.Logins(user);
        var displayName = CultureInfo.InvariantCulture.TextInfo.ToTitleCase(user.Replace('.', ' '));
        db.SaveProfile(new(user, displayName, db.ReadsMost(user), logins, lastLogin, Updated: time.GetUtcNow()));
        logger.LogInformation("Profile of {User} updated", user);
    }
}
