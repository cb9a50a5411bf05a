namespace Jobs.Transport;

/// <summary>Which topics a listener hears, by the rules of AMQP's topic exchanges.</summary>
/// <param name="pattern">Words with dots between them; <c>*</c> is any word, <c>#</c> any number of words.</param>
sealed class TopicPattern(string pattern)
{
    readonly string[] words = pattern.Split('.');

    public bool Matches(string topic) => Matches(0, topic.Split('.'), 0);

    bool Matches(int word, string[] topic, int at)
    {
        if (word == words.Length)
        {
            return at == topic.Length;
        }

        return words[word] switch
        {
            "#" => Matches(word + 1, topic, at) || (at < topic.Length && Matches(word, topic, at + 1)),
            var one => at < topic.Length && (one == "*" || one == topic[at]) && Matches(word + 1, topic, at + 1),
        };
    }
}
