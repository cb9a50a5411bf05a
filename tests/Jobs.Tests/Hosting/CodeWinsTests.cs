using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>What code sets wins over configuration, however often and in whatever order things are called.</summary>
public sealed class CodeWinsTests
{
    [Fact]
    public void A_second_UseRabbitMq_does_not_put_configuration_over_the_first_ones_code()
    {
        var options = Resolve<RabbitMqOptions>(
            services => services.AddJobs(jobs => jobs
                .UseRabbitMq("amqp://code", rabbit => (rabbit.Prefix, rabbit.Heartbeat) = ("code", TimeSpan.FromSeconds(7)))
                .UseRabbitMq(configure: rabbit => rabbit.ClientName = "second")),
            ("Jobs:RabbitMq:Uri", "amqp://file"),
            ("Jobs:RabbitMq:Prefix", "file"),
            ("Jobs:RabbitMq:Heartbeat", "00:00:03"),
            ("Jobs:RabbitMq:ClientName", "file"),
            ("Jobs:RabbitMq:PublishWindow", "9"));

        Assert.Equal(("amqp://code", "code", TimeSpan.FromSeconds(7), "second"), (options.Uri, options.Prefix, options.Heartbeat, options.ClientName));
        Assert.Equal(9, options.PublishWindow); // what code does not say comes from the file
    }

    [Fact]
    public void RabbitMq_options_set_before_UseRabbitMq_win() => Assert.Equal("code", Resolve<RabbitMqOptions>(
        services => services.Configure<RabbitMqOptions>(rabbit => rabbit.Prefix = "code").AddJobs(jobs => jobs.UseRabbitMq()),
        ("Jobs:RabbitMq:Prefix", "file")).Prefix);

    [Fact]
    public void Shared_options_set_before_AddJobs_win() => Assert.Equal(7, Resolve<JobsOptions>(
        services => services.Configure<JobsOptions>(options => options.MaxRetries = 7).AddJobs(_ => { }).AddJobs(_ => { }),
        ("Jobs:MaxRetries", "1")).MaxRetries);

    [Fact]
    public void Worker_options_set_before_AddWorker_win() => Assert.Equal(7, Resolve<WorkerOptions>(
        services => services.Configure<WorkerOptions>(options => options.Concurrency = 7).AddJobs(jobs => jobs.AddWorker().AddWorker()),
        ("Jobs:Worker:Concurrency", "1")).Concurrency);

    [Fact]
    public void Beat_options_set_before_AddBeat_win()
    {
        var options = Resolve<BeatOptions>(
            services => services.Configure<BeatOptions>(options => options.MisfireCap = 7).AddJobs(jobs => jobs.AddBeat().AddBeat()),
            ("Jobs:Beat:MisfireCap", "1"),
            ("Jobs:Beat:Schedules:nightly:Task", "news.refresh"));
        Assert.Equal((7, "news.refresh"), (options.MisfireCap, options.Schedules["nightly"].Task));
    }

    [Fact]
    public void Health_options_set_before_the_checks_are_added_win() => Assert.Equal(TimeSpan.FromSeconds(7), Resolve<JobsHealthOptions>(
        services => services.Configure<JobsHealthOptions>(options => options.SlowConfirm = TimeSpan.FromSeconds(7)).AddHealthChecks().AddJobs().AddJobs(),
        ("Jobs:Health:SlowConfirm", "00:00:01")).SlowConfirm);

    static T Resolve<T>(Action<IServiceCollection> add, params (string Key, string Value)[] settings)
        where T : class
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => new KeyValuePair<string, string?>(s.Key, s.Value))).Build());
        add(services);
        using var provider = services.BuildServiceProvider();
        return provider.GetRequiredService<IOptions<T>>().Value;
    }
}
