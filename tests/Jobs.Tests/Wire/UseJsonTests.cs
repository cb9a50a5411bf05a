using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Jobs.Contracts;
using Jobs.Tests.Working;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Wire;

/// <summary>Converters and names of the application's own.</summary>
public sealed partial class UseJsonTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Naming_and_converters_hold_for_what_is_sent_and_what_arrives_with_and_without_a_context(bool context)
    {
        var arrived = new TaskCompletionSource<Order>();
        await using var host = await JobsHost.StartAsync(jobs =>
        {
            jobs.AddTasks<UseJsonOrderTasks>().UseJson(json =>
            {
                json.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
                json.Converters.Add(new MoneyConverter());
            });
            jobs.Services.AddSingleton(arrived);
            if (context)
            {
                jobs.UseJsonContext(OrderJson.Default); // after it: the order does not count
            }
        });
        var order = new Order("book", new Money(12.5m));
        await host.EnqueueAsync(UseJsonOrderJobs.Take(order) with { Id = "j" });

        Assert.Equal(order, await arrived.Task.Soon());
        Assert.Contains("""{"item_name":"book","total_price":"EUR 12.5"}""", Encoding.UTF8.GetString(host.Published("j")[0].Message.Body.Span), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_keeps_values_equal_cannot_be_switched_off()
    {
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddTasks<UseJsonOrderTasks>().UseJson(json =>
        {
            json.RespectRequiredConstructorParameters = json.RespectNullableAnnotations = false;
            json.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        }));
        await host.SendAsync(TestMessage.Of(task: "use_json_order.take", body: """[[{"TotalPrice":{"Amount":1}}],{},{}]"""));

        Assert.Contains("ItemName", (await host.DeadLetterAsync()).Text(Jobs.Wire.WireHeaders.DeadReason), StringComparison.Ordinal);
    }

    public sealed record Money(decimal Amount);

    public sealed record Order(string ItemName, Money TotalPrice);

    [JsonSerializable(typeof(Order))]
    public sealed partial class OrderJson : JsonSerializerContext;

    sealed class MoneyConverter : JsonConverter<Money>
    {
        public override Money Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new(decimal.Parse(reader.GetString()!["EUR ".Length..], System.Globalization.CultureInfo.InvariantCulture));

        public override void Write(Utf8JsonWriter writer, Money value, JsonSerializerOptions options) =>
            writer.WriteStringValue(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"EUR {value.Amount}"));
    }
}

public sealed class UseJsonOrderTasks(TaskCompletionSource<UseJsonTests.Order> arrived)
{
    [Task("use_json_order.take")]
    public void Take(UseJsonTests.Order order) => arrived.TrySetResult(order);
}
