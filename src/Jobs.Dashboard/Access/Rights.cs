namespace Jobs.Dashboard.Access;

/// <summary>What a visitor may do.</summary>
[Flags]
enum Rights
{
    None = 0,

    /// <summary>See the pages, without arguments and results.</summary>
    View = 1,

    /// <summary>See arguments, results and progress.</summary>
    Arguments = 2,

    /// <summary>Retry and delete jobs, enqueue them again, run schedules now.</summary>
    Act = 4,

    /// <summary>Add, change, pause and remove schedules.</summary>
    Administer = 8,

    All = View | Arguments | Act | Administer,
}
