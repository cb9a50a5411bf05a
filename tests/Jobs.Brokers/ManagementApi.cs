using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Jobs.Brokers;

/// <summary>A reader of RabbitMQ's management API.</summary>
sealed class ManagementApi : IDisposable
{
    public ManagementApi(Uri root)
    {
        Client = new HttpClient { BaseAddress = new Uri(root.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped)) };
        var credentials = Encoding.UTF8.GetBytes(Uri.UnescapeDataString(root.UserInfo));
        Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(credentials));
    }

    public HttpClient Client { get; }

    public async Task<JsonElement> GetAsync(string path)
    {
        await using var stream = await Client.GetStreamAsync(path);
        using var document = await JsonDocument.ParseAsync(stream);
        return document.RootElement.Clone();
    }

    public void Dispose() => Client.Dispose();
}
