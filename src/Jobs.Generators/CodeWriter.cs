using System.Text;

namespace Jobs.Generators;

/// <summary>
/// Writes text with indentation. Lines always end with '\n', so that every machine generates the same bytes.
/// </summary>
sealed class CodeWriter
{
    readonly StringBuilder text = new();
    int depth;

    public CodeWriter Line(string line = "")
    {
        if (line.Length > 0)
        {
            text.Append(' ', depth * 4).Append(line);
        }

        text.Append('\n');
        return this;
    }

    public CodeWriter Lines(string lines)
    {
        foreach (var line in lines.Split('\n'))
        {
            Line(line);
        }

        return this;
    }

    public CodeWriter Open(string? line = null)
    {
        if (line is not null)
        {
            Line(line);
        }

        Line("{");
        depth++;
        return this;
    }

    public CodeWriter Close(string after = "")
    {
        depth--;
        return Line("}" + after);
    }

    public override string ToString() => text.ToString();
}
