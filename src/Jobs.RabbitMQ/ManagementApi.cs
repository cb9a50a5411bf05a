using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Jobs.RabbitMQ;

/// <summary>
/// RabbitMQ's management API, at any of its hosts. Each host answers for the whole cluster. The hosts are asked one
/// after another, beginning with the host that answered last.
/// </summary>
sealed class ManagementApi : IDisposable
{
    // A host with a dead neighbour may stall for half a minute (RabbitMQ 3.10).
    static readonly TimeSpan patience = TimeSpan.FromSeconds(5);

    readonly ManagementAddress address;
    readonly AuthenticationHeaderValue credentials;
    readonly TimeProvider time;
    readonly HttpClient client;
    int answered; // the index of the host that answered last

    /// <param name="address">Where the API is. Credentials that are missing there are those of the broker.</param>
    /// <param name="broker">The address of the broker.</param>
    /// <param name="time">The clock.</param>
    public ManagementApi(ManagementAddress address, BrokerAddress broker, TimeProvider time)
    {
        (this.address, this.time, UserName) = (address, time, address.UserName ?? broker.UserName);
        credentials = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{UserName}:{address.Password ?? broker.Password}")));

        // Redirects are off, because the client would drop the credentials there. Connections end after a while, so
        // that a host which has moved is found at its new address.
        client = new(new SocketsHttpHandler { AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(2) })
        {
            Timeout = Timeout.InfiniteTimeSpan, // each request has a deadline of its own
        };
    }

    public string UserName { get; }

    /// <summary>A path of the API. The names may contain any character.</summary>
    public static string Path(params ReadOnlySpan<string> names)
    {
        var path = new StringBuilder("api");
        foreach (var name in names)
        {
            path.Append('/').Append(Uri.EscapeDataString(name));
        }

        return path.ToString();
    }

    /// <exception cref="JobTransportException">No host answers; transient.</exception>
    public Task<ManagementAnswer> GetAsync(string path, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, path, null, cancellationToken);

    /// <exception cref="JobTransportException">No host answers; transient.</exception>
    public Task<ManagementAnswer> PutAsync(string path, byte[] json, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, path, json, cancellationToken);

    async Task<ManagementAnswer> SendAsync(HttpMethod method, string path, byte[]? json, CancellationToken cancellationToken)
    {
        var first = Volatile.Read(ref answered);
        Exception? problem = null;
        for (var i = 0; i < address.Hosts.Count; i++)
        {
            var host = (first + i) % address.Hosts.Count;
            using var limit = new CancellationTokenSource(patience, time);
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            try
            {
                var answer = await AskAsync(new(address.Hosts[host], path), method, json, deadline.Token).ConfigureAwait(false);
                Volatile.Write(ref answered, host);
                return answer;
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                problem = new TimeoutException($"no answer within {patience}", e);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
            {
                problem = e;
            }
        }

        throw new JobTransportException(
            $"The management API at {address} does not answer: {problem!.Message}. "
            + "Check RabbitMqOptions.ManagementUri, and that the plugin rabbitmq_management is enabled",
            isTransient: true,
            problem);
    }

    async Task<ManagementAnswer> AskAsync(Uri uri, HttpMethod method, byte[]? json, CancellationToken deadline)
    {
        using var request = new HttpRequestMessage(method, uri) { Headers = { Authorization = credentials } };
        if (json is not null)
        {
            request.Content = new ByteArrayContent(json) { Headers = { ContentType = new("application/json") } };
        }

        using var response = await client.SendAsync(request, deadline).ConfigureAwait(false);
        var body = await response.Content.ReadAsByteArrayAsync(deadline).ConfigureAwait(false);
        return response.StatusCode switch
        {
            >= HttpStatusCode.InternalServerError => throw new HttpRequestException($"{uri.Authority} answers {(int)response.StatusCode}"),
            >= HttpStatusCode.BadRequest => new(response.StatusCode, null, Encoding.UTF8.GetString(body)),
            >= HttpStatusCode.MultipleChoices => throw new HttpRequestException(
                $"{uri.Authority} answers {(int)response.StatusCode}, and sends us to {response.Headers.Location}"),
            _ => new(response.StatusCode, body.Length == 0 ? null : Parse(body), ""),
        };
    }

    static JsonElement Parse(byte[] body)
    {
        using var document = JsonDocument.Parse(body);
        return document.RootElement.Clone();
    }

    public void Dispose() => client.Dispose();
}

/// <summary>An answer of the management API.</summary>
/// <param name="Status">The status.</param>
/// <param name="Body">The answer, if it was a success and had a body.</param>
/// <param name="Reason">The body of an answer that was no success.</param>
readonly record struct ManagementAnswer(HttpStatusCode Status, JsonElement? Body, string Reason)
{
    /// <summary>Whether the user may not do this, or nobody knows the user: both are 401.</summary>
    public bool IsRefused => Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;

    public bool IsSuccess => (int)Status is >= 200 and < 300;

    public bool IsMissing => Status is HttpStatusCode.NotFound;
}
