using Jobs.RabbitMQ;

namespace Jobs.BrokerTests.Unit;

public sealed class BrokerAddressTests
{
    [Theory]
    [InlineData("amqp://localhost", "localhost:5672", "guest", "guest", "/", false)]
    [InlineData("amqps://localhost", "localhost:5671", "guest", "guest", "/", true)]
    [InlineData("AMQP://LocalHost/", "LocalHost:5672", "guest", "guest", "/", false)]
    [InlineData("amqp://me:secret@a,b:5673,c", "a:5672 b:5673 c:5672", "me", "secret", "/", false)]
    [InlineData("amqp://me:secret@a, b/v", "a:5672 b:5672", "me", "secret", "v", false)]
    [InlineData("amqp://me:p%40ss%2Fw%3Ard@a/%2F", "a:5672", "me", "p@ss/w:rd", "/", false)]
    [InlineData("amqp://me:p@ss:w@a:1/team%2Fone", "a:1", "me", "p@ss:w", "team/one", false)]
    [InlineData("amqp://guest:guest@localhost:5672//", "localhost:5672", "guest", "guest", "/", false)] // kombu #203, #121: how Celery's users write the virtual host /
    [InlineData("amqp://me@a", "a:5672", "me", "guest", "/", false)]
    [InlineData("amqp://[::1],[fe80::2]:5673", "::1:5672 fe80::2:5673", "guest", "guest", "/", false)]
    [InlineData("amqp://10.0.0.1:65535", "10.0.0.1:65535", "guest", "guest", "/", false)]
    public void A_uri_is_taken_apart(string uri, string hosts, string user, string password, string virtualHost, bool tls)
    {
        var address = BrokerAddress.Parse(new() { Uri = uri });
        Assert.Equal(hosts, string.Join(' ', address.Hosts.Select(h => $"{h.Host}:{h.Port}")));
        Assert.Equal((user, password, virtualHost, tls), (address.UserName, address.Password, address.VirtualHost, address.Tls));
    }

    [Fact]
    public void What_the_uri_leaves_out_comes_from_the_options()
    {
        var address = BrokerAddress.Parse(new() { Uri = "amqp://a", UserName = "me", Password = "secret", VirtualHost = "v" });
        Assert.Equal(("me", "secret", "v"), (address.UserName, address.Password, address.VirtualHost));
        var stronger = BrokerAddress.Parse(new() { Uri = "amqp://you:open@a/w", UserName = "me", Password = "secret", VirtualHost = "v" });
        Assert.Equal(("you", "open", "w"), (stronger.UserName, stronger.Password, stronger.VirtualHost));
    }

    [Theory]
    [InlineData("localhost", "amqp://")]
    [InlineData("http://localhost", "amqp://")]
    [InlineData("", "amqp://")]
    [InlineData("amqp://", "no host")]
    [InlineData("amqp://me:secret@/v", "no host")]
    [InlineData("amqp://a:0", "between 1 and 65535")]
    [InlineData("amqp://a:65536", "between 1 and 65535")]
    [InlineData("amqp://a:", "between 1 and 65535")]
    [InlineData("amqp://a:x", "between 1 and 65535")]
    [InlineData("amqp://:5672", "no host")]
    [InlineData("amqp://a/v/w", "%2F")]
    [InlineData("amqp://a/v?heartbeat=10", "virtual host")]
    [InlineData("amqp://a?heartbeat=10", "heartbeat")]
    public void What_is_no_address_is_said_with_the_shape_that_fits(string uri, string says)
    {
        var exception = Assert.Throws<FormatException>(() => BrokerAddress.Parse(new() { Uri = uri }));
        Assert.Contains(says, exception.Message, StringComparison.Ordinal);
        Assert.Contains("amqp://user:password@host1,host2:5673/vhost", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amqp://me:hunter2@a,b/v", "amqp://me@a:5672,b:5672/v")]
    [InlineData("amqps://me:hunter2@a", "amqps://me@a:5671/%2F")]
    public void The_password_is_never_written(string uri, string text)
    {
        var address = BrokerAddress.Parse(new() { Uri = uri });
        Assert.Equal(text, address.ToString());
        Assert.Equal($"at {text}", $"at {address}");
    }

    // A slash that nobody escaped ends the authority early, and what is left looks like a host and a port.
    [Fact]
    public void Nor_when_it_is_what_makes_the_uri_wrong()
    {
        var exception = Assert.Throws<FormatException>(() => BrokerAddress.Parse(new() { Uri = "amqp://me:hunter2/x@a" }));
        Assert.DoesNotContain("hunter2", exception.Message, StringComparison.Ordinal);
    }
}
