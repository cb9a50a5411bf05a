using System.Globalization;
using Jobs;

namespace News;

/// <summary>Keeps readers' profiles up to date. Enqueued at every login, so that no login waits for it.</summary>
sealed class ProfileTasks(NewsDb db, TimeProvider time, ILogger<ProfileTasks> logger)
{
    /// <summary>Works a reader's profile out from what the site has stored about them.</summary>
    [Task("profile.refresh")]
    public void Refresh(string user)
    {
        // Everything is counted anew and nothing is incremented: a job that runs twice leaves the same profile.
        var (logins, lastLogin) = db.Logins(user);
        var displayName = CultureInfo.InvariantCulture.TextInfo.ToTitleCase(user.Replace('.', ' '));
        db.SaveProfile(new(user, displayName, db.ReadsMost(user), logins, lastLogin, Updated: time.GetUtcNow()));
        logger.LogInformation("Profile of {User} updated", user);
    }
}
