using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json.Serialization;
using Jobs.Beat;
using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Settings;
using Jobs.Transport;
using Jobs.Working;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>Says which tasks, transport and parts a host has. Calls may come in any order and more than once.</summary>
public sealed class JobsBuilder
{
    internal JobsBuilder(IServiceCollection services) => Services = services;

    /// <summary>The services of the host.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Sets options that all parts share.</summary>
    public JobsBuilder Configure(Action<JobsOptions> configure)
    {
        Services.Configure(configure);
        return this;
    }

    /// <summary>Adds one task; called by generated code.</summary>
    public JobsBuilder AddTask(TaskDefinition definition)
    {
        Services.AddSingleton(definition);
        return this;
    }

    /// <summary>Adds the tasks of one class.</summary>
    /// <typeparam name="T">A class with <c>[Task]</c> methods.</typeparam>
    /// <exception cref="ArgumentException">The class has none, or its assembly was built without the generator.</exception>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "The attribute keeps the module's constructor.")]
    public JobsBuilder AddTasks<T>()
    {
        // Reflection, once at start: the generator cannot make T implement an interface.
        var attribute = typeof(T).Assembly.GetCustomAttributes<TaskModuleAttribute>().FirstOrDefault(a => a.Class == typeof(T))
            ?? throw new ArgumentException($"{typeof(T)} has no [Task] methods, or its project does not reference the Jobs package directly.");
        ((TaskModule)Activator.CreateInstance(attribute.Module)!).AddTo(this);
        return this;
    }

    /// <summary>
    /// Writes and reads arguments of your own types through a source-generated context, with the context's own options: naming
    /// policy, converters and so on. Types it does not know go through the default serializer. Of several contexts the last is asked first.
    /// </summary>
    public JobsBuilder UseJsonContext(JsonSerializerContext context)
    {
        Services.Configure<JobsOptions>(options => options.Types.Add(context));
        return this;
    }

    /// <summary>Keeps jobs in this process's memory: for development and tests. They end with the process.</summary>
    public JobsBuilder UseInMemory() => UseTransport(services => new InMemoryTransport(GuardedTime.Of(services.GetRequiredService<TimeProvider>())));

    /// <summary>Uses a transport; the last call wins.</summary>
    [Experimental("JOBS0001")]
    public JobsBuilder UseTransport(Func<IServiceProvider, JobTransport> create)
    {
        Services.RemoveAll<JobTransport>();
        Services.AddSingleton(create);
        return this;
    }

    /// <summary>Runs jobs in this process.</summary>
    public JobsBuilder AddWorker(Action<WorkerOptions>? configure = null)
    {
        Services.BindOnce<WorkerOptions>("Jobs:Worker", (section, options) => section.Bind(options));
        Services.Configure(configure ?? (_ => { }));
        Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, WorkerService>());
        Services.TryAddSingleton<JobObserver>();
        Services.TryAddSingleton<Intake>();
        Services.TryAddSingleton<Executor>();
        Services.TryAddSingleton<FollowUps>();
        Services.TryAddSingleton<Settlement>();
        Services.TryAddSingleton<WorkerProgress>();
        Services.TryAddSingleton<Worker>();
        return this;
    }

    /// <summary>Fires schedules in this process.</summary>
    public JobsBuilder AddBeat(Action<BeatOptions>? configure = null)
    {
        Services.BindOnce<BeatOptions>("Jobs:Beat", (section, options) => section.Bind(options));
        Services.Configure(configure ?? (_ => { }));
        Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, BeatService>());
        return this;
    }

    /// <summary>Adds a cron schedule from code; a beat of this application fires it.</summary>
    /// <param name="name">Unique in the application; the ids of its jobs are made of it.</param>
    /// <param name="cron">Five fields, or six with seconds first.</param>
    /// <param name="job">What to enqueue.</param>
    /// <param name="timeZone">The zone that the expression is read in. Defaults to UTC.</param>
    /// <param name="misfire">What happens to missed slots.</param>
    /// <exception cref="ArgumentException">The expression, the name or an option of the job is not valid. Arguments
    /// that cannot be written are found when the host starts, because only then all options are known.</exception>
    public JobsBuilder Schedule(string name, string cron, Job job, TimeZoneInfo? timeZone = null, MisfirePolicy misfire = MisfirePolicy.Once)
    {
        Services.AddSingleton(new Schedule(name, SlotSource.Cron(cron, timeZone ?? TimeZoneInfo.Utc), job, misfire));
        return this;
    }

    /// <summary>Adds a schedule at a fixed interval from code.</summary>
    /// <inheritdoc cref="Schedule(string, string, Job, TimeZoneInfo?, MisfirePolicy)"/>
    /// <param name="name">Unique in the application; the ids of its jobs are made of it.</param>
    /// <param name="every">The interval, at least one second.</param>
    /// <param name="job">What to enqueue.</param>
    /// <param name="misfire">What happens to missed slots.</param>
    public JobsBuilder Schedule(string name, TimeSpan every, Job job, MisfirePolicy misfire = MisfirePolicy.Once)
    {
        Services.AddSingleton(new Schedule(name, SlotSource.Every(every), job, misfire));
        return this;
    }
}
