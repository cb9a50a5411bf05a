namespace Jobs;

/// <summary>How the dashboard looks, and what its readers may do.</summary>
/// <remarks>
/// Who may see the dashboard at all is said as for any endpoint: <c>MapJobsDashboard().RequireAuthorization(…)</c>. The
/// policies here are asked in addition.
/// </remarks>
public sealed class JobsDashboardOptions
{
    /// <summary>What the pages call the application. Defaults to the name of the application.</summary>
    public string? Title { get; set; }

    /// <summary>Whether nobody can change anything here. Defaults to <see langword="false"/>.</summary>
    public bool ReadOnly { get; set; }

    /// <summary>
    /// The authorization policy of those who may see and search arguments, results and progress. Without the right, these
    /// are left out; the messages of exceptions are not. Defaults to <see langword="null"/>: whoever may see the dashboard.
    /// </summary>
    public string? ViewArgumentsPolicy { get; set; }

    /// <summary>
    /// The authorization policy of those who may retry and delete jobs, enqueue jobs again, and run schedules now. Defaults
    /// to <see langword="null"/>: whoever may see the dashboard.
    /// </summary>
    public string? ActPolicy { get; set; }

    /// <summary>
    /// The authorization policy of those who may add, change and pause schedules, and undo that. Defaults
    /// to <see cref="ActPolicy"/>.
    /// </summary>
    public string? AdministerPolicy { get; set; }
}
