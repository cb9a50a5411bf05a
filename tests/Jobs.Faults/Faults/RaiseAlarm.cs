using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>One node is short of something, and the whole cluster blocks whoever publishes.</summary>
sealed class RaiseAlarm(Alarm alarm, FaultDurations durations) : NodeFault(durations, 2, 30)
{
    public override string Name => alarm == Alarm.Memory ? "memory-alarm" : "disk-alarm";

    public override string Description => $"One node says that it is short of {Resource}; the whole cluster blocks publishers";

    public override FaultKind Kind => FaultKind.Alarm;

    string Resource => alarm == Alarm.Memory ? "memory" : "disk";

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        var node = AnyOf(context.Random, context.Site.Nodes);
        return Task.FromResult<Breakage?>(new(
            $"{node} is short of {Resource}",
            () => TryAsync(context, $"{Name} at {node}", () => node.RaiseAlarmAsync(alarm)),
            () => TryAsync(context, $"end of {Name} at {node}", () => node.ClearAlarmAsync(alarm)),
            $"{node} has enough {Resource} again"));
    }
}
