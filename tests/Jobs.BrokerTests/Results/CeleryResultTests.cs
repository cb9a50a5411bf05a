using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Results;

/// <summary>With the Celery that is installed here; Debian 12 has 5.2.</summary>
public sealed class CeleryResultTests(BrokerFixture brokers) : CeleryResultContract(brokers)
{
    private protected override Python Python => Python.OfThisMachine;

    protected override Version Oldest => new(5, 2);
}

/// <summary>With the Celery 5.5 of Debian 13, in a container.</summary>
[Trait("Needs", "celery55")]
public sealed class Debian13CeleryResultTests(BrokerFixture brokers) : CeleryResultContract(brokers)
{
    private protected override Python Python => Python.OfDebian13;

    protected override Version Oldest => new(5, 5);
}
