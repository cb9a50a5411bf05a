using Jobs.Faults;
using Jobs.Faults.Beats;
using Jobs.Faults.Check;
using Jobs.Faults.Control;
using Jobs.Faults.Faults;
using Jobs.Faults.Load;
using Jobs.Faults.Sites;

if (args is [WorkerProgram.Command, var uri, var name])
{
    await WorkerProgram.RunAsync(uri, name);
    return 0;
}

if (args is [ProducerProgram.Command, var ofSite, var file, var run, var number])
{
    await ProducerProgram.RunAsync(
        ofSite, file, int.Parse(run, System.Globalization.CultureInfo.InvariantCulture), ushort.Parse(number, System.Globalization.CultureInfo.InvariantCulture));
    return 0;
}

if (args is [BeatProgram.Command, var broker, var schedules])
{
    await BeatProgram.RunAsync(broker, int.Parse(schedules, System.Globalization.CultureInfo.InvariantCulture));
    return 0;
}

if (args is ["site-check", .. var site])
{
    return await SelfCheck.RunAsync(site);
}

try
{
    var line = CommandLine.Parse(args);
    switch (line.Command)
    {
        case "run":
            return await FaultRun.RunAsync(line) ? 0 : 1;
        case "controls":
            return await Controls.RunAsync(line) ? 0 : 1;
        case "beats":
            return await BeatProof.RunAsync(line) ? 0 : 1;
        case "selfcheck":
            return LogCheck.Passes(Console.WriteLine) ? 0 : 1;
        case "list":
            foreach (var fault in FaultCatalog.Create(null, quick: false))
            {
                Console.WriteLine($"{fault.Name,-22} {fault.Description}");
            }

            return 0;
        case "--help" or "-h":
            Console.WriteLine(CommandLine.Usage);
            return 0;
        default:
            throw new ArgumentException($"There is no command '{line.Command}'; --help lists them.");
    }
}
catch (Exception e) when (e is ArgumentException or InvalidOperationException or TimeoutException)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}
