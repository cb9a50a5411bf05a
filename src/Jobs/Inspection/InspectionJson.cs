using System.Text.Json.Serialization;

namespace Jobs.Inspection;

/// <summary>Writes and reads the answers of the inspector as JSON, for dashboard and command line.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(JobInfo))]
[JsonSerializable(typeof(JobQuery))]
[JsonSerializable(typeof(JobPage))]
[JsonSerializable(typeof(FailurePage))]
[JsonSerializable(typeof(IReadOnlyList<WorkerInfo>))]
sealed partial class InspectionJson : JsonSerializerContext;
