using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>How far a request about dead letters is.</summary>
static class RequestPage
{
    public static async Task<View> ShowAsync(Visit visit)
    {
        var sample = visit.Field("id") is { } id ? await visit.Source.RequestAsync(id, visit.Stop).ConfigureAwait(false) : default;
        var (request, problem) = (sample.Value, sample.Problem);
        if (visit.Field("id") is not null && sample.At == default)
        {
            return new("Request", Html.Of($"<h1>Request</h1>"), Parts.Pending("the request"));
        }

        if (request is null && problem is null)
        {
            return Layout.Message("Request", Html.Of($"""Nobody knows this request any more. <a href="dead">Dead letters</a>"""), 404);
        }

        var total = long.TryParse(visit.Field("of"), out var selected) ? selected : 0;
        return new("Request", Html.Of($"<h1>{(request?.Action == DeadLetterAction.Delete ? "Delete" : "Retry")} dead letters</h1>"), Html.Of($"""
            {Parts.IfKnown(request, known => Progress(known, total))}
            {Parts.If(visit.Field("part") is not null, Rest)}
            <p><a href="dead">Dead letters</a> <a href="failures">Failures</a></p>{Parts.Problem(problem)}
            """));
    }

    static Html Rest => Html.Of($"""<p class="note">These are only some of the jobs that match. Search again for the others.</p>""");

    static Html Progress(DeadLetterRequest request, long total)
    {
        var done = request.Action == DeadLetterAction.Delete ? "deleted" : "sent back";
        var says = request.State switch
        {
            DeadLetterRequestState.Waiting => "It waits for a process with a worker to begin.",
            DeadLetterRequestState.Running => "It is being carried out. Leave this page if you like.",
            _ when request.Problem is not null => "Done, but not for all.",
            _ => "Done.",
        };
        var isDone = request.State == DeadLetterRequestState.Done;
        var meter = isDone ? WorkersPage.Meter(1, 1) : WorkersPage.Meter(request.Moved, Math.Max(total, request.Moved + 1));
        return Html.Of($"""
            <p class="verdict {(isDone && request.Problem is null ? "good" : "plain")}" role="status">{says}</p>
            <p class="facts"><span>{meter}</span>
            <span><b>{Words.Number(request.Moved)}</b>{(total > 0 ? $" of {Words.Number(total)}" : "")} {done}</span>
            {Parts.If(request.Kept > 0, Html.Of($"<span><b>{Words.Number(request.Kept)}</b> stay</span>"))}
            <span>asked for {Parts.Time(request.At)}</span></p>
            {Parts.IfKnown(request.Problem, why => Html.Of($"""<p class="note bad"><bdi>{why}</bdi></p>"""))}
            """);
    }
}
