using System.Text.Json;
using Jobs.Brokers;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>The process inside the broker that moves what has waited in a delay level to the next queue.</summary>
static class DeadLetterWorker
{
    /// <summary>
    /// Makes the one of this queue send to a member of its targets that there is not, which is what an election leaves behind that it was not told of (server #13095, #14589):
    /// what it sends is lost, and it waits for confirms. It must have sent something before, or it has no target yet.
    /// </summary>
    /// <param name="evaluate"><c>rabbitmqctl eval</c> on the node that leads the queue, where the process is.</param>
    public static Task MisleadAsync(Func<string, Task<string>> evaluate, string queue) => evaluate($$"""
        [Worker] = [Pid || {_, Pid, _, _} <- supervisor:which_children(rabbit_fifo_dlx_sup), element(4, element(2, sys:get_state(Pid))) =:= <<"{{queue}}">>],
        Mislead = fun Walk(Client) when is_tuple(Client), tuple_size(Client) > 8, element(1, Client) =:= state, is_tuple(element(3, Client)) -> setelement(3, Client, {gone, node()});
                      Walk(Tuple) when is_tuple(Tuple) -> list_to_tuple(lists:map(Walk, tuple_to_list(Tuple)));
                      Walk(Map) when is_map(Map) -> maps:map(fun(_, Value) -> Walk(Value) end, Map);
                      Walk(Other) -> Other end,
        Before = sys:get_state(Worker),
        true = Before =/= sys:replace_state(Worker, Mislead).
        """);

    /// <summary>Returns when this queue has so many messages and none that a client could see.</summary>
    /// <param name="management">GET of the management API.</param>
    /// <param name="path">Of the queue, in the management API.</param>
    public static async Task HoldsAsync(Func<string, Task<JsonElement>> management, string path, int count)
    {
        await Eventually.BecomesAsync(HasAsync, TimeSpan.FromSeconds(30), $"{path} to hold {count} messages that no client sees");

        async Task<bool> HasAsync()
        {
            var queue = await management($"{path}?columns=messages,messages_ready,messages_unacknowledged");
            return Of("messages") == count && Of("messages_ready") == 0 && Of("messages_unacknowledged") == 0;

            long Of(string name) => queue.TryGetProperty(name, out var value) ? value.GetInt64() : -1;
        }
    }
}
