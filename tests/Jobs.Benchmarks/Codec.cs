using BenchmarkDotNet.Attributes;
using Jobs.Wire;

namespace Jobs.Benchmarks;

/// <summary>Encode and decode of one message with a 400-character argument.</summary>
[MemoryDiagnoser]
[ShortRunJob]
public class Codec
{
    readonly JobsOptions options = new();
    readonly Job job = BenchJobs.Noop(new string('x', 400));
    JobMessage message = null!;

    /// <summary>A message as it comes from the wire.</summary>
    [GlobalSetup]
    public void Setup() => message = new()
    {
        Headers = new() { ["task"] = "bench.noop"u8.ToArray(), ["id"] = "0197c1b0-7c5e-7e65-b1cc-000000000000"u8.ToArray() },
        Body = JobBody.Write(job.TaskName, job.Arguments, options.Types),
    };

    /// <summary>Arguments to body.</summary>
    [Benchmark]
    public byte[] Encode() => JobBody.Write(job.TaskName, job.Arguments, options.Types);

    /// <summary>Headers and body to an envelope, and the argument out of it.</summary>
    [Benchmark]
    public string Decode()
    {
        var envelope = JobEnvelope.Read(message);
        var body = JobBody.Read(message.Body);
        var arguments = new ArgumentReader(envelope.Task, body.Arguments.Span, body.Keywords.Span, ["text"], options.Types);
        arguments.Require();
        var text = arguments.GetString();
        arguments.End();
        return text;
    }
}
