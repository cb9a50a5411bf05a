using System.Text.Json.Serialization;

namespace Jobs.Inspection;

/// <summary>Writes and reads the answers of the inspector as JSON, for dashboard and command line.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(JobInfo))]
[JsonSerializable(typeof(JobQuery))]
[JsonSerializable(typeof(JobPage))]
[JsonSerializable(typeof(FailurePage))]
[JsonSerializable(typeof(ThroughputInfo))]
[JsonSerializable(typeof(IReadOnlyList<WorkerInfo>))]
[JsonSerializable(typeof(IReadOnlyList<RunningJobInfo>))]
[JsonSerializable(typeof(IReadOnlyList<ScheduleInfo>))]
[JsonSerializable(typeof(IReadOnlyList<DeadLetterGroup>))]
[JsonSerializable(typeof(QueuePage))]
[JsonSerializable(typeof(DelayedPage))]
[JsonSerializable(typeof(TransportInfo))]
[JsonSerializable(typeof(DeadLetterPage))]
[JsonSerializable(typeof(DeadLetterRequest))]
sealed partial class InspectionJson : JsonSerializerContext;
