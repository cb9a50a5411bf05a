using System.Xml;
using System.Xml.Linq;
using Microsoft.CodeAnalysis;

namespace Jobs.Generators;

/// <summary>Makes the XML documentation of a factory method, or of a step, from that of the task method.</summary>
static class Documentation
{
    /// <summary>
    /// The inner text of the doc comment: a summary, and the parameters when any of them is documented.
    /// </summary>
    public static string Of(IMethodSymbol method, string[] parameters, string made, CancellationToken cancellationToken)
    {
        var fallback = $"<summary>Makes a {made} that runs <c>{method.ContainingType.Name}.{method.Name}</c>.</summary>";
        var xml = method.GetDocumentationCommentXml(cancellationToken: cancellationToken);
        if (string.IsNullOrWhiteSpace(xml))
        {
            return fallback;
        }

        XElement root;
        try
        {
            root = XElement.Parse(xml!, LoadOptions.PreserveWhitespace);
        }
        catch (XmlException)
        {
            return fallback; // the XML is malformed; the compiler reports that at the method
        }

        Tame(root, parameters);
        var summary = root.Element("summary");
        List<string> lines = [summary is null ? fallback : Compact(summary)];
        var documented = root.Elements("param").GroupBy(p => (string?)p.Attribute("name") ?? "").ToDictionary(g => g.Key, g => g.First());

        // When one parameter is documented, the compiler asks for all parameters.
        if (parameters.Any(documented.ContainsKey))
        {
            lines.AddRange(parameters.Select(p => documented.TryGetValue(p, out var element)
                ? Compact(element)
                : $"<param name=\"{p}\">The task's <c>{p}</c>.</param>"));
        }

        return string.Join("\n", lines);
    }

    /// <summary>
    /// Turns references without a target at the factory into plain text: references to injected parameters, and to
    /// names that the compiler did not find.
    /// </summary>
    static void Tame(XElement root, string[] parameters)
    {
        foreach (var element in root.Descendants().ToArray())
        {
            var isLostParameter = element.Name == "paramref" && !parameters.Contains((string?)element.Attribute("name"));
            var cref = (string?)element.Attribute("cref");
            if (isLostParameter || cref?.StartsWith("!:", StringComparison.Ordinal) == true)
            {
                element.ReplaceWith(new XElement("c", (string?)element.Attribute("name") ?? cref!.Substring(2)));
            }
        }
    }

    static string Compact(XElement element) =>
        string.Join("\n", element.ToString(SaveOptions.DisableFormatting).Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0));
}
