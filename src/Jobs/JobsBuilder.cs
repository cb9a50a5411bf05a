using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Jobs.Beat;
using Jobs.Control;
using Jobs.Diagnostics;
using Jobs.Health;
using Jobs.Registry;
using Jobs.Settings;
using Jobs.Transport;
using Jobs.Working;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>
/// Says which tasks, transport and parts (worker, beat) a host has. Calls may come in any order and more than once.
/// </summary>
public sealed class JobsBuilder
{
    internal JobsBuilder(IServiceCollection services) => Services = services;

    /// <summary>The services of the host.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Sets options that all parts share, for values that are known only in code.</summary>
    public JobsBuilder Configure(Action<JobsOptions> configure)
    {
        Services.Configure(configure);
        return this;
    }

    /// <summary>Adds one task; called by generated code.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public JobsBuilder AddTask(TaskDefinition definition)
    {
        Services.AddSingleton(definition);
        return this;
    }

    /// <summary>Adds the tasks of one class, for a host that shall know some of the program's tasks only.</summary>
    /// <typeparam name="T">A class with <c>[Task]</c> methods.</typeparam>
    /// <exception cref="ArgumentException">
    /// The class has no tasks, or its assembly was built without the generator.
    /// </exception>
    public JobsBuilder AddTasks<T>() => AddTasks(typeof(T));

    /// <summary>Adds the tasks of one class: for a static class, which <see cref="AddTasks{T}"/> cannot take.</summary>
    /// <param name="class">A class with <c>[Task]</c> methods.</param>
    /// <exception cref="ArgumentException">
    /// The class has no tasks, or its assembly was built without the generator.
    /// </exception>
    public JobsBuilder AddTasks(Type @class)
    {
        ArgumentNullException.ThrowIfNull(@class);
        return AddModules(@class.Assembly, module => module.Class == @class)
            ? this
            : throw new ArgumentException($"{@class} has no [Task] methods, or its project does not reference the Jobs package directly.", nameof(@class));
    }

    /// <summary>
    /// Adds the tasks of all classes of another assembly. For the caller's own assembly the generated <c>AddTasks()</c>
    /// does the same.
    /// </summary>
    /// <exception cref="ArgumentException">The assembly has no tasks, or was built without the generator.</exception>
    public JobsBuilder AddTasks(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        return AddModules(assembly, _ => true)
            ? this
            : throw new ArgumentException(
                $"{assembly.GetName().Name} has no [Task] methods, or its project does not reference the Jobs package directly.", nameof(assembly));
    }

    /// <summary>
    /// Writes and reads arguments of your own types through a source-generated context: needed where reflection is off,
    /// as in native AOT. The context's own options (naming policy, converters …) count for its types. Other types go
    /// through the default serializer. Of several contexts, the last added is asked first.
    /// </summary>
    public JobsBuilder UseJsonContext(JsonSerializerContext context)
    {
        Services.Configure<JobsOptions>(options => options.Types.Add(context));
        return this;
    }

    /// <summary>
    /// Sets JSON options, such as converters and the naming policy, for arguments and results of your own types.
    /// Senders and workers must have the same options. Without this call, JSON names are the names of the properties.
    /// </summary>
    /// <remarks>
    /// Jobs sets some options afterwards, so that a value arrives equal to the one that was sent: null and missing
    /// members are errors, no member is left out, and names are read without regard to case.
    /// </remarks>
    public JobsBuilder UseJson(Action<JsonSerializerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Services.Configure<JobsOptions>(options => options.Types.Configure(configure));
        return this;
    }

    /// <summary>
    /// Keeps jobs in the memory of this process, for development and tests. The jobs are lost when the process ends.
    /// </summary>
    public JobsBuilder UseInMemory() => UseTransport(services =>
    {
        var options = services.GetRequiredService<IOptions<JobsOptions>>().Value;
        return new InMemoryTransport(GuardedTime.Of(services.GetRequiredService<TimeProvider>()), options.ResultExpires, options);
    });

    /// <summary>Uses a transport of your own, or of another package. The last call wins.</summary>
    [Experimental("JOBS0001")]
    public JobsBuilder UseTransport(Func<IServiceProvider, JobTransport> create)
    {
        Services.RemoveAll<JobTransport>();
        Services.AddSingleton(create);
        return this;
    }

    /// <summary>Runs jobs in this process. A process that only enqueues does not need a worker.</summary>
    public JobsBuilder AddWorker(Action<WorkerOptions>? configure = null)
    {
        Services.BindOnce<WorkerOptions>("Jobs:Worker", (section, options) => section.Bind(options));
        Services.Configure(configure ?? (_ => { }));
        Services.AddSingleton(HostPart.Worker);
        Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, WorkerService>());
        Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, KeeperService>());
        Services.TryAddSingleton<JobObserver>();
        Services.TryAddSingleton<JobEvents>();
        Services.TryAddSingleton<Intake>();
        Services.TryAddSingleton<Executor>();
        Services.TryAddSingleton<Links>();
        Services.TryAddSingleton<FollowUps>();
        Services.TryAddSingleton<News>();
        Services.TryAddSingleton<Settlement>();
        Services.TryAddSingleton<WorkerProgress>();
        Services.TryAddSingleton<Worker>();
        return this;
    }

    /// <summary>
    /// Fires schedules in this process. At least one process of an application with schedules needs a beat; several
    /// stand by for each other.
    /// </summary>
    public JobsBuilder AddBeat(Action<BeatOptions>? configure = null)
    {
        Services.Configure(configure ?? (_ => { }));
        Services.AddSingleton(HostPart.Beat);
        Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, BeatService>());
        return this;
    }

    /// <summary>
    /// Adds a cron schedule from code, for a job with arguments or a task of another program. The beat of this host
    /// fires the schedule.
    /// </summary>
    /// <param name="name">
    /// The name, unique in the application. The ids of the schedule's jobs are made of the name.
    /// </param>
    /// <param name="cron">Five fields, or six with seconds first.</param>
    /// <param name="job">What to enqueue.</param>
    /// <param name="timeZone">The time zone of the expression. Defaults to UTC.</param>
    /// <param name="misfire">What happens to missed occurrences. Defaults to <see cref="MisfirePolicy.Once"/>.</param>
    /// <exception cref="ArgumentException">
    /// The expression, the name or an option of the job is not valid. Arguments that cannot be written fail the start
    /// of the host instead, because only then are all options known.
    /// </exception>
    public JobsBuilder AddSchedule(string name, string cron, Job job, TimeZoneInfo? timeZone = null, MisfirePolicy misfire = MisfirePolicy.Once)
    {
        Services.AddSingleton(new Schedule(name, Timing.Cron(cron, timeZone ?? TimeZoneInfo.Utc), job, misfire));
        return this;
    }

    /// <summary>
    /// Adds a schedule with a fixed interval from code, for a job with arguments or a task of another program.
    /// </summary>
    /// <inheritdoc cref="AddSchedule(string, string, Job, TimeZoneInfo?, MisfirePolicy)"/>
    /// <param name="name">
    /// The name, unique in the application. The ids of the schedule's jobs are made of the name.
    /// </param>
    /// <param name="every">The interval, at least one second.</param>
    /// <param name="job">What to enqueue.</param>
    /// <param name="misfire">What happens to missed occurrences. Defaults to <see cref="MisfirePolicy.Once"/>.</param>
    public JobsBuilder AddSchedule(string name, TimeSpan every, Job job, MisfirePolicy misfire = MisfirePolicy.Once)
    {
        Services.AddSingleton(new Schedule(name, Timing.Every(every), job, misfire));
        return this;
    }

    // By reflection, once at start: the generator cannot make the user's class implement an interface.
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "The attribute keeps the module's constructor.")]
    bool AddModules(Assembly assembly, Func<TaskModuleAttribute, bool> isWanted)
    {
        var modules = assembly.GetCustomAttributes<TaskModuleAttribute>().Where(isWanted).ToList();
        modules.ForEach(module => ((TaskModule)Activator.CreateInstance(module.Module)!).AddTo(this));
        return modules.Count > 0;
    }
}
