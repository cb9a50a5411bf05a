using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>TLS in front of a broker that has none: with a certificate for <c>localhost</c> that nobody trusts who is not given its file.</summary>
sealed class TlsDoor : IAsyncDisposable
{
    readonly Uri broker;
    readonly X509Certificate2 certificate = OfLocalhost();
    readonly TcpListener listener = new(IPAddress.Loopback, 0);
    readonly CancellationTokenSource closing = new();
    readonly Task accepting;

    public TlsDoor(Uri broker)
    {
        this.broker = broker;
        listener.Start();
        File.WriteAllText(CertificateFile, certificate.ExportCertificatePem());
        accepting = AcceptAsync();
    }

    /// <summary>What a client is to trust.</summary>
    public string CertificateFile { get; } = Path.GetTempFileName();

    /// <param name="host">The name that the client expects in the certificate.</param>
    public string Uri(string host = "localhost") => $"amqps://{broker.UserInfo}@{host}:{((IPEndPoint)listener.LocalEndpoint).Port}{broker.AbsolutePath}";

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        listener.Stop();
        await accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        certificate.Dispose();
        closing.Dispose();
        File.Delete(CertificateFile);
    }

    async Task AcceptAsync()
    {
        while (true)
        {
            _ = ForwardAsync(await listener.AcceptSocketAsync(closing.Token));
        }
    }

    async Task ForwardAsync(Socket client)
    {
        try
        {
            await using var outside = new SslStream(new NetworkStream(client, ownsSocket: true));
            await outside.AuthenticateAsServerAsync(new() { ServerCertificate = certificate }, closing.Token);
            using var inside = new TcpClient();
            await inside.ConnectAsync(broker.Host, broker.Port, closing.Token);
            await Task.WhenAny(outside.CopyToAsync(inside.GetStream(), closing.Token), inside.GetStream().CopyToAsync(outside, closing.Token));
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException or OperationCanceledException or SocketException)
        {
            // The client did not trust us, or went away.
        }
    }

    static X509Certificate2 OfLocalhost()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
