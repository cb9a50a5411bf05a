using Jobs.Brokers;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>The process inside the broker that moves what has waited in a delay level to the next queue. It is on the node that leads the level.</summary>
static class DeadLetterWorker
{
    // The tuple positions are the same in 3.10 and 4.0. Those of other queues may end while they are asked.
    const string Find = """
        [Worker] = [Pid || {_, Pid, _, _} <- supervisor:which_children(rabbit_fifo_dlx_sup), (catch element(4, element(2, sys:get_state(Pid)))) =:= <<"$queue">>],
        State = sys:get_state(Worker),
        """;

    /// <summary>
    /// Makes it send to a member of its targets that there is not, which is what an election leaves behind that it was not told of (server #13095, #14589):
    /// what it sends is lost, and it waits for confirms. It must have sent something before, or it has no target yet.
    /// </summary>
    /// <param name="evaluate"><c>rabbitmqctl eval</c> on its node.</param>
    public static Task MisleadAsync(Func<string, Task<string>> evaluate, string queue) => evaluate(Of(queue, """
        Mislead = fun Walk(Client) when is_tuple(Client), tuple_size(Client) > 8, element(1, Client) =:= state, is_tuple(element(3, Client)) -> setelement(3, Client, {gone, node()});
                      Walk(Tuple) when is_tuple(Tuple) -> list_to_tuple(lists:map(Walk, tuple_to_list(Tuple)));
                      Walk(Map) when is_map(Map) -> maps:map(fun(_, Value) -> Walk(Value) end, Map);
                      Walk(Other) -> Other end,
        true = State =/= sys:replace_state(Worker, Mislead).
        """));

    /// <summary>Returns when so many messages wait for their confirm, it has looked after them, which it does every time-out, and they wait still.</summary>
    public static async Task KeepsAsync(Func<string, Task<string>> evaluate, string queue, int count)
    {
        string? first = null;
        await Eventually.BecomesAsync(
            async () =>
            {
                // How many wait, and which timer runs: another one after each look.
                var waiting = (await evaluate(Of(queue, "{maps:size(element(8, State)), erlang:phash2(element(12, State))}."))).Trim();
                if (first is null || !waiting.StartsWith($"{{{count},", StringComparison.Ordinal))
                {
                    first = waiting.StartsWith($"{{{count},", StringComparison.Ordinal) ? waiting : null;
                    return false;
                }

                return waiting != first;
            },
            TimeSpan.FromSeconds(60),
            $"{queue} to keep {count} messages");
    }

    static string Of(string queue, string what) => Find.Replace("$queue", queue, StringComparison.Ordinal) + what;
}
