using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>What is wrong is said before anything runs, whatever else the host has.</summary>
public sealed class StartOrderTests
{
    [Fact]
    public async Task A_service_registered_before_Jobs_does_not_start_when_the_options_are_wrong()
    {
        var other = new Service();
        using var host = Build(services => services.AddSingleton<IHostedService>(other), _ => { });
        await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(host));
        Assert.False(other.HasStarted);
    }

    [Fact]
    public async Task No_service_starts_beside_the_check_when_services_start_concurrently()
    {
        var other = new Service();
        using var host = Build(
            services => services.Configure<HostOptions>(options => options.ServicesStartConcurrently = true),
            services => services.AddSingleton<IHostedService>(other));
        await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(host));
        Assert.False(other.HasStarted);
    }

    static Task StartAsync(IHost host) => host.StartAsync(TestContext.Current.CancellationToken).Soon();

    static IHost Build(Action<IServiceCollection> before, Action<IServiceCollection> after)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        before(builder.Services);
        builder.Services.AddJobs(jobs => jobs.UseInMemory().Configure(options => options.MaxRetries = -1));
        after(builder.Services);
        return builder.Build();
    }

    sealed class Service : IHostedService
    {
        public bool HasStarted { get; private set; }

        public Task StartAsync(CancellationToken cancellationToken)
        {
            HasStarted = true;
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
