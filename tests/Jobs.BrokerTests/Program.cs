using Jobs.BrokerTests.Rabbit;

// Besides the two entries of a test project this one has a third: a worker in a process of its own, which a test can kill as nothing else can be killed.
return args switch
{
    [WorkerProcess.Verb, .. var options] => await WorkerProcess.RunAsync(options),
    _ when args.Contains("--server") || args.Contains("--internal-msbuild-node") =>
        await Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(args, Jobs.BrokerTests.SelfRegisteredExtensions.AddSelfRegisteredExtensions),
    _ => await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args),
};
