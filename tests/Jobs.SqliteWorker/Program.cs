using Jobs.SqliteWorker;

// Jobs.SqliteWorker <file>: then one command a line on the standard input. It ends with its input, so that it cannot
// outlive the tests.
var worker = new Worker(args[0]);
Console.WriteLine("ready");
while (await Console.In.ReadLineAsync() is { } line && line != "quit")
{
    await worker.DoAsync(line.Split(' '));
}

await worker.DisposeAsync();
Console.WriteLine("ended");
