namespace Jobs.Brokers;

/// <summary>The broker named by <c>JOBS_TEST_BROKER</c>. It is not ours, so it is only talked to.</summary>
sealed class ExternalBroker(Uri amqpUri) : TestBroker(amqpUri)
{
    // The management port of a broker with default settings.
    public override Uri ManagementUri => new($"http://{AmqpUri.UserInfo}@{AmqpUri.Host}:15672/");

    public override Task<string> ControlAsync(params string[] rabbitmqctlArguments) => throw NotOurs("rabbitmqctl");

    public override Task KillNodeAsync() => throw NotOurs("a kill");

    public override Task RestartNodeAsync() => throw NotOurs("a restart");

    static NotSupportedException NotOurs(string what) => new(
        $"This test needs {what}, and the broker of JOBS_TEST_BROKER is not started by the tests. Unset the variable to use Docker or local processes.");
}
