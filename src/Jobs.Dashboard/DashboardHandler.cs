using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Security.Cryptography;
using Jobs.Dashboard.Access;
using Jobs.Dashboard.Actions;
using Jobs.Dashboard.Markup;
using Jobs.Dashboard.Pages;
using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard;

/// <summary>Answers every request below the dashboard's address.</summary>
/// <remarks>
/// A request goes through here in this order: who asks (<see cref="Gate"/>), which page or file, and for a POST where the
/// form comes from (<see cref="SameOrigin"/>) and whether the visitor may do it. All pages lie in one folder, so all
/// addresses can be relative, whatever a proxy or the application puts in front.
/// </remarks>
sealed class DashboardHandler(Site site, Gate gate, OneTimeToken token, Func<HttpContext, string> tokenLink)
{
    /// <summary>A request with this header gets only the part of the page that changes.</summary>
    public const string FragmentHeader = "Jobs-Fragment";

    const string EntryPage = """
        <!doctype html><html lang="en"><meta charset="utf-8"><title>Jobs</title><meta http-equiv="refresh" content="0;url=./">
        <p><a href="./">Open the dashboard</a>
        """;

    const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    static readonly FrozenDictionary<string, Func<Visit, Task<View>>> pages = new Dictionary<string, Func<Visit, Task<View>>>
    {
        [""] = NowPage.ShowAsync,
        ["failures"] = FailuresPage.ShowAsync,
        ["queues"] = QueuesPage.ShowAsync,
        ["delayed"] = DelayedJobsPage.ShowAsync,
        ["jobs"] = JobListPage.ShowAsync,
        ["job"] = JobDetailPage.ShowAsync,
        ["workers"] = WorkersPage.ShowAsync,
        ["schedules"] = SchedulesPage.ShowAsync,
        ["schedule"] = SchedulePage.ShowAsync,
        ["dead"] = DeadLettersPage.ShowAsync,
        ["request"] = RequestPage.ShowAsync,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    static readonly FrozenDictionary<string, DashboardAction> actions = DashboardAction.All.ToFrozenDictionary(action => action.Path, StringComparer.Ordinal);

    public async Task HandleAsync(HttpContext http)
    {
        var path = http.Request.RouteValues["path"] as string ?? "";
        if (await gate.RightsAsync(http).ConfigureAwait(false) is var rights && rights == Rights.None)
        {
            await LetInAsync(http, path).ConfigureAwait(false);
            return;
        }

        SetHeaders(http);
        var visit = new Visit(http, rights, site);
        try
        {
            await (http.Request.Method switch
            {
                "GET" or "HEAD" => GetAsync(visit, path),
                "POST" => PostAsync(visit, path),
                _ => NotAllowedAsync(http),
            }).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
        }
        catch (Exception e) when (!http.Response.HasStarted)
        {
            Log.PageFailed(site.Logger, e, Clean(path));
            var sorry = Layout.Message("Something went wrong", Html.Of($"The log of the web application says what."), 500);
            await WriteAsync(visit, path, sorry).ConfigureAwait(false);
        }
    }

    /// <summary>A text without line breaks and other controls, for a line of the log.</summary>
    public static string Clean(string text) => string.Concat(text.Take(300).Select(letter => char.GetUnicodeCategory(letter)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator ? ' ' : letter));

    async Task GetAsync(Visit visit, string path)
    {
        var (http, request) = (visit.Http, visit.Http.Request);
        if (AssetFiles.Find(path) is { } asset)
        {
            http.Response.ContentType = asset.Type;
            http.Response.Headers.CacheControl = "private, max-age=31536000, immutable";
            http.Response.ContentLength = asset.Bytes.Length;
            await http.Response.Body.WriteAsync(asset.Bytes, visit.Stop).ConfigureAwait(false);
        }
        else if (path.Length == 0 && !request.Path.Value!.EndsWith('/'))
        {
            ToFolder(http);
        }
        else if (actions.ContainsKey(path))
        {
            http.Response.Redirect("./"); // a login in between has made a GET of the POST
        }
        else if (path.EndsWith('/') && pages.ContainsKey(path.TrimEnd('/')))
        {
            http.Response.Redirect($"../{path.TrimEnd('/')}{request.QueryString}");
        }
        else if (path.Contains('/'))
        {
            // All pages are in one folder, and their links are relative: a page further down would have none that works.
            http.Response.StatusCode = 404;
        }
        else
        {
            var view = pages.TryGetValue(path, out var show)
                ? await show(visit).ConfigureAwait(false)
                : Layout.Message("Not found", Html.Of($"""There is no such page. <a href="./">Back to the first one</a>"""), 404);
            await WriteAsync(visit, path, view).ConfigureAwait(false);
        }
    }

    async Task PostAsync(Visit visit, string path)
    {
        if (!actions.TryGetValue(path, out var action))
        {
            await WriteAsync(visit, path, Layout.Message("Not found", Html.Of($"There is no such action."), 404)).ConfigureAwait(false);
            return;
        }

        var why = !SameOrigin.Is(visit.Http.Request) ? "the form does not come from this dashboard"
            : !visit.May(action.Needs) ? "you do not have the right to do this"
            : null;
        if (why is not null)
        {
            Log.ActionRefused(site.Logger, Audit.User(visit), Audit.Address(visit), path, why);
            await WriteAsync(visit, path, Layout.Message("Refused", Html.Of($"Nothing was changed, because {why}."), 403)).ConfigureAwait(false);
            return;
        }

        if (await FormAsync(visit).ConfigureAwait(false) is not { } form)
        {
            await WriteAsync(visit, path, Layout.Message("Refused", Html.Of($"This is not a form, or it is too large."), 400)).ConfigureAwait(false);
            return;
        }

        var done = await action.RunAsync(visit, form).ConfigureAwait(false);
        visit.Source.Expire();
        if (done.GoTo is { } target)
        {
            visit.Http.Response.StatusCode = 303;
            visit.Http.Response.Headers.Location = target;
        }
        else
        {
            await WriteAsync(visit, path, done.View).ConfigureAwait(false);
        }
    }

    static async Task<IFormCollection?> FormAsync(Visit visit)
    {
        try
        {
            return visit.Http.Request.HasFormContentType ? await visit.Http.Request.ReadFormAsync(visit.Stop).ConfigureAwait(false) : null;
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            return null;
        }
    }

    async Task LetInAsync(HttpContext http, string path)
    {
        var isEntry = path.Length == 0 && http.Request.Method == "GET" && token.IsIn(http);
        if (isEntry && !http.Request.Path.Value!.EndsWith('/'))
        {
            ToFolder(http); // only there the cookie is for the dashboard alone
            return;
        }

        if (!isEntry || !token.TryExchange(http))
        {
            http.Response.StatusCode = 404; // with nothing that tells it from any other
            return;
        }

        SetHeaders(http);
        Log.TokenUsed(site.Logger, http.Connection.RemoteIpAddress?.ToString(), tokenLink(http));

        // Not a redirect: when the link was on a page of another site, the browser would leave the cookie out.
        http.Response.ContentType = "text/html; charset=utf-8";
        await http.Response.WriteAsync(EntryPage, http.RequestAborted).ConfigureAwait(false);
    }

    // Relative, because only the browser knows the whole address.
    static void ToFolder(HttpContext http)
    {
        var own = (http.Request.PathBase + http.Request.Path).ToUriComponent();
        http.Response.Redirect($"{own[(own.LastIndexOf('/') + 1)..]}/{http.Request.QueryString}");
    }

    static Task NotAllowedAsync(HttpContext http)
    {
        http.Response.StatusCode = 405;
        http.Response.Headers.Allow = "GET, HEAD, POST";
        return Task.CompletedTask;
    }

    static async Task WriteAsync(Visit visit, string path, View view)
    {
        var response = visit.Http.Response;
        response.StatusCode = visit.IsFragment && !view.Live.IsEmpty ? 200 : view.Status; // the script takes another status for a failure
        response.ContentType = "text/html; charset=utf-8";
        var html = visit.IsFragment ? view.Live : Layout.Page(view, path, visit);
        var buffer = ArrayPool<byte>.Shared.Rent(html.MostBytes);
        try
        {
            var bytes = buffer.AsMemory(0, html.CopyTo(buffer));
            if (visit.IsFragment)
            {
                var tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(bytes.Span))[..16]}\"";
                response.Headers.ETag = tag;
                if (visit.Http.Request.Headers.IfNoneMatch == tag)
                {
                    response.StatusCode = 304;
                    return;
                }
            }

            response.ContentLength = bytes.Length;
            await response.Body.WriteAsync(bytes, visit.Stop).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    static void SetHeaders(HttpContext http)
    {
        var headers = http.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers.CacheControl = "no-store";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";

        // With no-referrer a browser sends "Origin: null" with a form. Where it leaves Sec-Fetch-Site out, over plain HTTP,
        // Origin is all that tells a form of ours from one of another site. Neither policy tells other sites anything.
        headers["Referrer-Policy"] = http.Request.IsHttps || http.Request.Headers.ContainsKey("Sec-Fetch-Site") ? "no-referrer" : "same-origin";
    }
}
