namespace Jobs.SqliteWorker;

/// <summary>What a process that serves runs.</summary>
public static class LinkTasks
{
    /// <summary>Reports its run.</summary>
    [Task("test.link")]
    public static void Link(JobContext context) => Console.WriteLine($"run {context.Id}");
}
