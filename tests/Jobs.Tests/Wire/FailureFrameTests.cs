using System.Text;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Wire;

/// <summary>Which line of a stack tells failures apart.</summary>
public sealed class FailureFrameTests
{
    const string Connect = "System.Net.Http.HttpRequestException: refused\n   at System.Net.Sockets.Socket.Connect()\n";

    [Fact]
    public void The_place_of_a_failure_is_the_first_line_that_is_not_the_frameworks()
    {
        Assert.Equal("News.Feed.Get() in Feed.cs:line 3", Of($"{Connect}   at Microsoft.Extensions.Http.Send()\n   at News.Feed.Get() in Feed.cs:line 3\n   at News.All()"));
        Assert.Equal("Systematic.Feed.Get()", Of("   at Systematic.Feed.Get()\r\n"));
    }

    [Fact]
    public void The_place_is_the_first_line_when_the_framework_fills_the_stack()
    {
        Assert.Equal("System.Net.Sockets.Socket.Connect()", Of($"{Connect}   at System.Net.Http.Send()\n"));
        Assert.Equal("", Of("the feed said:\nat System.Web.Page, line 3"));
        Assert.Equal("", Of(""));
    }

    [Fact]
    public void The_place_of_a_Python_failure_is_the_last_file_outside_installed_packages()
    {
        const string Ours = "  File \"/app/tasks.py\", line 12, in fetch\n    get(url)\n";
        const string Theirs = "  File \"/usr/lib/python3/dist-packages/requests/api.py\", line 70, in get\n    raise Refused()\n";

        Assert.Equal("File \"/app/tasks.py\", line 12, in fetch", Of($"Traceback (most recent call last):\n{Theirs}{Ours}{Theirs}Refused"));
        Assert.Equal("File \"/usr/lib/python3/dist-packages/requests/api.py\", line 70, in get", Of($"Traceback (most recent call last):\n{Theirs}Refused"));
    }

    [Fact]
    public void An_event_and_its_dead_letter_name_the_same_place_though_the_letter_has_only_the_beginning_of_the_stack()
    {
        var stack = new StringBuilder(Connect);
        while (stack.Length < DeadLetter.MaxStack)
        {
            stack.Append("   at System.Net.Http.Send()\n");
        }

        stack.Append("   at News.Feed.Get()\n");

        Assert.Equal("System.Net.Sockets.Socket.Connect()", Of(stack.ToString()));
        Assert.Equal("System.Net.Sockets.Socket.Connect()", Of($"{stack.ToString(0, DeadLetter.MaxStack)}…"));
    }

    static string Of(string stack) => Encoding.UTF8.GetString(FailureFrame.Of(Encoding.UTF8.GetBytes(stack)));
}
