#!/usr/bin/env bash
# What a user gets: packs the projects; builds, runs and publishes as AOT a project outside the repository that references the packages; publishes
# as AOT a web application with the dashboard.
# Prints a line per check; the last line is 'N passed, N failed, N skipped'. Needs the .NET SDK, a C compiler and zlib's headers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

work=$(mktemp -d)
# Nobody else has this version, so that no package of an earlier run is taken for it.
version="0.1.0-test.$$.$RANDOM"
cache=$(dotnet nuget locals global-packages --list | sed 's/^global-packages: //')
cleanup() { rm -rf "$work" "${cache%/}"/jobs{,.rabbitmq,.sqlite,.dashboard}/"$version"; }
trap cleanup EXIT
trap 'exit 143' TERM

passed=0 failed=0
# check <what should be> <command…>: shows the command's output only when it fails
check() {
  if "${@:2}" >"$work/log" 2>&1; then
    passed=$((passed + 1))
    echo "packages: ok: $1"
  else
    failed=$((failed + 1))
    echo "packages: FAILED: $1"
    tail -40 "$work/log"
  fi
}

package() { printf '%s' "${cache%/}/$1/$version/$2"; }

pack() {
  for project in src/Jobs src/Jobs.RabbitMQ src/Jobs.Sqlite src/Jobs.Dashboard; do
    dotnet build "$project" -c Release --nologo -v quiet || return
    dotnet pack "$project" -c Release --no-build --nologo -v quiet -p:Version="$version" -o "$work/feed" || return
  done
}

# exact_range <package>
exact_range() { grep -F "<dependency id=\"Jobs\" version=\"[$version]\"" "$(package "$1" "$1.nuspec")"; }

symbols() {
  local name
  for name in Jobs Jobs.RabbitMQ Jobs.Sqlite Jobs.Dashboard; do [ -f "$work/feed/$name.$version.snupkg" ] || return; done
}

without_warnings() {
  "$@" | tee "$work/output" || return
  # Some of the linker's lines are no warnings of MSBuild and would pass.
  ! grep -E 'warning' "$work/output"
}

# says <line> <command…>
says() {
  local line expected=$1
  line=$(timeout 120 "${@:2}") || return
  [ "$line" = "$expected" ] || { echo "it says: $line"; return 1; }
}

# --- A project of its own, with the machine's package sources and one more -------------------------

mkdir "$work/app"
cat >"$work/app/nuget.config" <<END
<configuration>
  <packageSources>
    <add key="packed" value="$work/feed" />
  </packageSources>
</configuration>
END

hosting=$(sed -n 's/.*"Microsoft.Extensions.Hosting" Version="\([^"]*\)".*/\1/p' src/Directory.Packages.props)
cat >"$work/app/App.csproj" <<END
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <PublishAot>true</PublishAot>
    <!-- One line for each place, not one for each assembly. -->
    <TrimmerSingleWarn>false</TrimmerSingleWarn>
    <NuGetAudit>false</NuGetAudit>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Jobs" Version="$version" />
    <PackageReference Include="Jobs.RabbitMQ" Version="$version" />
    <PackageReference Include="Jobs.Sqlite" Version="$version" />
    <PackageReference Include="Microsoft.Extensions.Hosting" Version="$hosting" />
  </ItemGroup>
</Project>
END

cat >"$work/app/Program.cs" <<'END'
using System.Text.Json.Serialization;
using System.Threading.Channels;
using Jobs;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

var inMemory = await RunAsync(jobs => jobs.UseInMemory(), new("tea", 2));
var inFile = await RunAsync(jobs => jobs.UseSqlite(Path.Combine(AppContext.BaseDirectory, "jobs.db")), new("coffee", 1));

// Nobody listens there: this takes the code of the other transport along, and shows that it gets as far as the network.
var services = new ServiceCollection();
services.AddJobs(jobs => jobs.UseRabbitMq("amqp://127.0.0.1:1").Configure(options => options.EnqueueTimeout = TimeSpan.FromSeconds(2)));
await using var away = services.BuildServiceProvider();
var answer = "enqueued";
try
{
    await away.GetRequiredService<IJobDispatcher>().EnqueueAsync(new Job("any"));
}
catch (JobPublishException e) when (!e.MaybeEnqueued)
{
    answer = "refused";
}

Console.WriteLine($"{inMemory.Said}; {inMemory.Concurrency} at once; from SQLite: {inFile.Said}; from RabbitMQ: {answer}");

async Task<(string Said, int Concurrency)> RunAsync(Action<JobsBuilder> useTransport, Order order)
{
    var builder = Host.CreateApplicationBuilder(args);
    builder.Logging.SetMinimumLevel(LogLevel.Warning);
    builder.Configuration.AddInMemoryCollection([new("Jobs:Worker:Concurrency", "3")]);
    builder.Services.AddJobs(jobs =>
    {
        useTransport(jobs);
        jobs.UseJsonContext(OrderJson.Default).AddTasks<OrderTasks>().AddWorker().AddBeat();
    });
    builder.Services.AddHealthChecks().AddJobs();
    using var host = builder.Build();
    await host.StartAsync();
    await host.Services.GetRequiredService<IJobDispatcher>().EnqueueAsync(OrderJobs.Ship(order));
    using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
    var said = $"{await OrderTasks.Shipped.Reader.ReadAsync(patience.Token)}; {await OrderTasks.Ticked.Reader.ReadAsync(patience.Token)}";
    await host.StopAsync();
    while (OrderTasks.Ticked.Reader.TryRead(out _))
    {
    }

    return (said, host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value.Concurrency);
}

public sealed record Order(string Article, int Count);

[JsonSerializable(typeof(Order))]
public sealed partial class OrderJson : JsonSerializerContext;

public sealed class OrderTasks
{
    public static Channel<string> Shipped { get; } = Channel.CreateUnbounded<string>();

    public static Channel<string> Ticked { get; } = Channel.CreateUnbounded<string>();

    [Task("order.ship")]
    public void Ship(Order order) => Shipped.Writer.TryWrite($"shipped {order.Count} x {order.Article}");

    [Task("order.tick")]
    [Cron("* * * * * *")]
    public void Tick() => Ticked.Writer.TryWrite("ticked");
}
END

# --- A web application with the dashboard ----------------------------------------------------------

mkdir "$work/web"
cp "$work/app/nuget.config" "$work/web"
cat >"$work/web/Web.csproj" <<END
<Project Sdk="Microsoft.NET.Sdk.Web">
  <PropertyGroup>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <PublishAot>true</PublishAot>
    <TrimmerSingleWarn>false</TrimmerSingleWarn>
    <NuGetAudit>false</NuGetAudit>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Jobs.Dashboard" Version="$version" />
  </ItemGroup>
</Project>
END

# It asks for every page, and deletes a job that has died.
cat >"$work/web/Program.cs" <<'END'
using Jobs;

string[] pages = ["", "failures", "queues", "jobs", "workers", "schedules", "schedule", "dead"];
var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = "Development" });
builder.Logging.SetMinimumLevel(LogLevel.Critical);
builder.WebHost.UseUrls("http://127.0.0.1:0");
builder.Services.AddJobs(jobs => jobs.UseInMemory().AddTasks<OrderTasks>().AddWorker());
await using var app = builder.Build();
app.MapJobsDashboard("/jobs");
await app.StartAsync();

using var http = new HttpClient { BaseAddress = new Uri($"{app.Urls.First()}/jobs/") };
using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
var lost = await app.Services.GetRequiredService<IJobDispatcher>().EnqueueAsync(OrderJobs.Lose("milk"), patience.Token);
while (!(await http.GetStringAsync("dead", patience.Token)).Contains(lost.Id))
{
    await Task.Delay(100, patience.Token);
}

var answered = 0;
foreach (var page in pages)
{
    using var answer = await http.GetAsync(page, patience.Token);
    answered += answer.IsSuccessStatusCode ? 1 : 0;
}

using var form = new FormUrlEncodedContent([new("ids", lost.Id), new("confirm", "delete")]);
using var request = new HttpRequestMessage(HttpMethod.Post, "delete-dead") { Content = form, Headers = { { "Sec-Fetch-Site", "same-origin" } } };
using var sent = await http.SendAsync(request, patience.Token);
while ((await app.Services.GetRequiredService<JobInspector>().DeadLettersAsync(new(), cancellationToken: patience.Token)).Total > 0)
{
    await Task.Delay(100, patience.Token);
}

Console.WriteLine($"{answered} pages; deleted");

public sealed class OrderTasks
{
    [Task("order.lose", MaxRetries = 0)]
    public void Lose(string article) => throw new InvalidOperationException($"lost {article}");
}
END

# --- The checks ------------------------------------------------------------------------------------

check "Jobs, Jobs.RabbitMQ, Jobs.Sqlite and Jobs.Dashboard can be packed" pack
check "all have symbols" symbols
check "a project that references the packages builds without a warning" without_warnings dotnet build "$work/app" -c Release --nologo -o "$work/built"
check "Jobs.RabbitMQ depends on exactly this version of Jobs" exact_range jobs.rabbitmq
check "Jobs.Sqlite depends on exactly this version of Jobs" exact_range jobs.sqlite
check "Jobs brings its generator" test -f "$(package jobs analyzers/dotnet/cs/Jobs.Generators.dll)"
said="shipped 2 x tea; ticked; 3 at once; from SQLite: shipped 1 x coffee; ticked; from RabbitMQ: refused"
check "the project runs" says "$said" dotnet "$work/built/App.dll"
check "it is published as AOT without a warning" without_warnings dotnet publish "$work/app" -c Release --nologo -p:IlcTreatWarningsAsErrors=true -o "$work/aot"
check "the AOT program runs" says "$said" "$work/aot/App"
check "a web application with the dashboard is published as AOT without a warning" \
  without_warnings dotnet publish "$work/web" -c Release --nologo -p:IlcTreatWarningsAsErrors=true -o "$work/aot-web"
check "the AOT web application shows its pages" says "8 pages; deleted" "$work/aot-web/Web"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
