using Microsoft.CodeAnalysis.CSharp;

namespace Jobs.Generators;

/// <summary>Names of tasks and of generated code.</summary>
static class NameRules
{
    public static string Escape(string name) =>
        SyntaxFacts.GetKeywordKind(name) != SyntaxKind.None || SyntaxFacts.GetContextualKeywordKind(name) != SyntaxKind.None ? "@" + name : name;

    public static string WithoutSuffix(string name, string suffix) =>
        name.Length > suffix.Length && name.EndsWith(suffix, StringComparison.Ordinal) ? name.Substring(0, name.Length - suffix.Length) : name;

    /// <summary>
    /// Turns <c>RefreshAll</c> into <c>refresh_all</c>, and <c>HTTPFetch2</c> into <c>http_fetch2</c>.
    /// </summary>
    public static string SnakeCase(string name)
    {
        var text = new System.Text.StringBuilder();
        for (var i = 0; i < name.Length; i++)
        {
            var startsWord = char.IsUpper(name[i]) && i > 0 && name[i - 1] != '_'
                && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            text.Append(startsWord ? "_" : "").Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    /// <summary>The same rule as in Jobs.Registry.TaskNameRule.</summary>
    public static bool IsWireName(string? name) =>
        name is { Length: > 0 and <= 200 } && (IsLetter(name[0]) || name[0] == '_')
        && name.All(c => IsLetter(c) || c is (>= '0' and <= '9') or '.' or '_' or '-' or ':');

    static bool IsLetter(char c) => c is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z');
}
