namespace Jobs.Faults.Load;

/// <summary>The worker processes of a run.</summary>
sealed class WorkerFleet
{
}
