using Jobs.Beat;
using Xunit;

namespace Jobs.Tests.Beat;

/// <summary>What a schedule's timing is called in words.</summary>
public sealed class ScheduleWordsTests
{
    [Theory]
    [InlineData("00:15:00", "every 15 minutes")]
    [InlineData("1.00:00:00", "every day")]
    [InlineData("00:01:30", "every 90 seconds")]
    [InlineData("* * * * * UTC", "every minute, UTC")]
    [InlineData("*/15 * * * * UTC", "every 15 minutes, UTC")]
    [InlineData("*/10 * * * * * UTC", "every 10 seconds, UTC")]
    [InlineData("0 * * * * UTC", "every hour, UTC")]
    [InlineData("5,35 * * * * UTC", "at minutes 5 and 35 of every hour, UTC")]
    [InlineData("0 */6 * * * UTC", "every 6 hours, UTC")]
    [InlineData("30 */6 * * * UTC", "every 6 hours at minute 30, UTC")]
    [InlineData("0 9 * * * Europe/Berlin", "every day at 09:00, Europe/Berlin time")]
    [InlineData("0 9,17 * * 1-5 Europe/Berlin", "at 09:00 and 17:00 from Monday to Friday, Europe/Berlin time")]
    [InlineData("*/5 9-17 * * MON-FRI UTC", "every 5 minutes from 09:00 to 17:59 from Monday to Friday, UTC")]
    [InlineData("0 0 1 * * UTC", "at 00:00 on day 1 of the month, UTC")]
    [InlineData("0 0 L * ? UTC", "at 00:00 on the last day of the month, UTC")]
    [InlineData("0 0 15W * ? UTC", "at 00:00 on the weekday nearest to day 15 of the month, UTC")]
    [InlineData("0 0 1 1,7 * UTC", "at 00:00 on day 1 of the month in January and July, UTC")]
    [InlineData("0 0 1 JAN * UTC", "at 00:00 on day 1 of the month in January, UTC")]
    [InlineData("0 0 13 * 5 UTC", "at 00:00 on day 13 of the month if it is Friday, UTC")]
    [InlineData("0 12 * * 7 UTC", "at 12:00 on Sunday, UTC")]
    [InlineData("0 12 * * 6#3 UTC", "at 12:00 on the third Saturday of the month, UTC")]
    [InlineData("0 12 * * 5L UTC", "at 12:00 on the last Friday of the month, UTC")]
    public void A_timing_is_said_in_words(string timing, string words) => Assert.Equal(words, ScheduleWords.Of(timing));

    [Theory]
    [InlineData("*/7 * * * * UTC")] // uneven at the end of the hour
    [InlineData("1-30/7,40 * * * * UTC")]
    [InlineData("0 0 L-3 * * UTC")]
    [InlineData("5 0 0 * * * UTC")]
    [InlineData("")]
    [InlineData("something new")]
    public void What_has_no_words_is_left_as_it_is(string timing) => Assert.Equal(timing, ScheduleWords.Of(timing));
}
