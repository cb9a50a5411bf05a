namespace Jobs.Faults;
static class Controls { public static Task<bool> RunAsync(CommandLine line) => Task.FromResult(false); }
