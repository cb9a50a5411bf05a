using Jobs.Faults.Sites;

return args is ["self-check", .. var rest] ? await SelfCheck.RunAsync(rest) : 0;
