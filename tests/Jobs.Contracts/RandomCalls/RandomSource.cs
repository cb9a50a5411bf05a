using System.Globalization;
using System.Text;

namespace Jobs.Contracts.RandomCalls;

/// <summary>C# source with task signatures made at random: the same seed makes the same source.</summary>
sealed class RandomSource(int seed)
{
    const int Enums = 6;
    const int Types = 60;
    const int MaxDepth = 3;

    static readonly string[] scalars =
    [
        "bool", "byte", "sbyte", "short", "ushort", "int", "uint", "long", "ulong", "nint", "nuint", "float", "double", "decimal", "char", "Guid", "DateTime", "DateTimeOffset", "DateOnly",
        "TimeOnly", "TimeSpan", "Half", "Int128",
    ];

    static readonly string[] references = ["string", "byte[]", "Uri", "Version"];

    static readonly string[] integers = ["byte", "sbyte", "short", "ushort", "int", "uint", "long", "ulong"];

    readonly Random random = new(seed);
    readonly List<(string Name, bool IsStruct)> made = [];
    readonly StringBuilder code = new("""
        #nullable enable
        #pragma warning disable CS1591
        using System;
        using System.Collections.Generic;
        using System.Collections.Immutable;
        using System.Text.Json.Serialization;
        using Jobs;

        namespace Made;

        public static class Sink
        {
            public static Action<JobContext, object?[]> Took = (_, _) => { };
        }

        """);

    /// <summary>The source of so many tasks.</summary>
    public string Write(int tasks)
    {
        for (var i = 0; i < Enums; i++)
        {
            var underlying = Pick(integers);
            code.AppendLine(CultureInfo.InvariantCulture, $"public enum E{i} : {underlying} {{ First, Second = 7, Third, AlsoThird = Third }}");
            made.Add(($"E{i}", true));
        }

        for (var i = 0; i < Types; i++)
        {
            Declare(i);
        }

        code.AppendLine("public static class MadeTasks\n{");
        for (var i = 0; i < tasks; i++)
        {
            var parameters = Enumerable.Range(0, random.Next(1, 5)).Select(p => (Type: Type(0), Name: $"p{p}")).ToArray();
            var list = string.Join(", ", parameters.Select(p => $"{p.Type} {p.Name}"));
            code.AppendLine(CultureInfo.InvariantCulture,
                $"    [Task(\"made.t{i}\")] public static void T{i}({list}, JobContext context) => Sink.Took(context, new object?[] {{ {string.Join(", ", parameters.Select(p => p.Name))} }});");
        }

        return code.AppendLine("}").ToString();
    }

    void Declare(int i)
    {
        var name = $"T{i}";
        var members = Enumerable.Range(0, random.Next(1, 5)).Select(m => (Type: Type(1), Name: $"M{m}")).ToArray();
        var positional = string.Join(", ", members.Select(m => $"{m.Type} {m.Name}"));
        switch (random.Next(6))
        {
            case 0:
                code.AppendLine(CultureInfo.InvariantCulture, $"public sealed record {name}({positional});");
                break;
            case 1:
                code.AppendLine(CultureInfo.InvariantCulture, $"public readonly record struct {name}({positional});");
                made.Add((name, true));
                return;
            case 2:
                code.AppendLine(CultureInfo.InvariantCulture, $"public sealed class {name} {{ {string.Join(" ", members.Select(m => $"public required {m.Type} {m.Name} {{ get; init; }}"))} public int Size => 1; }}");
                break;
            case 3:
                code.AppendLine(CultureInfo.InvariantCulture, $"public struct {name} {{ {string.Join(" ", members.Select(m => $"public {Nullable(m.Type)} {m.Name} {{ get; set; }}"))} }}");
                made.Add((name, true));
                return;
            case 4: // a value of it may be one of its derived type, which travels
                code.AppendLine(CultureInfo.InvariantCulture, $"[JsonDerivedType(typeof({name}A), \"a\"), JsonDerivedType(typeof({name}B), \"b\")] public abstract record {name}({positional});");
                code.AppendLine(CultureInfo.InvariantCulture, $"public sealed record {name}A({positional}, int Own) : {name}({string.Join(", ", members.Select(m => m.Name))});");
                code.AppendLine(CultureInfo.InvariantCulture, $"public sealed record {name}B({positional}) : {name}({string.Join(", ", members.Select(m => m.Name))});");
                break;
            default: // … and here it must be refused
                code.AppendLine(CultureInfo.InvariantCulture, $"public record {name}({positional});");
                code.AppendLine(CultureInfo.InvariantCulture, $"public sealed record {name}Sub({positional}, int Own) : {name}({string.Join(", ", members.Select(m => m.Name))});");
                break;
        }

        made.Add((name, false));
    }

    string Type(int depth)
    {
        var choice = random.Next(depth < MaxDepth ? 10 : 5);
        return choice switch
        {
            0 or 1 => Pick(scalars) + (random.Next(4) == 0 ? "?" : ""),
            2 or 3 => Pick(references) + (random.Next(3) == 0 ? "?" : ""),
            4 or 5 => Made(),
            6 => $"Dictionary<string, {Type(depth + 1)}>",
            7 => Pick("HashSet", "SortedSet", "ImmutableHashSet") + $"<{Pick(integers)}>",
            8 => $"Dictionary<{Pick("int", "Guid", "long")}, {Type(depth + 1)}>",
            _ => Pick("{0}[]", "List<{0}>", "IReadOnlyList<{0}>", "IEnumerable<{0}>", "ICollection<{0}>", "ImmutableArray<{0}>", "ImmutableList<{0}>", "Queue<{0}>", "LinkedList<{0}>")
                .Replace("{0}", Type(depth + 1), StringComparison.Ordinal),
        };
    }

    string Made()
    {
        if (made.Count == 0)
        {
            return "int";
        }

        var (name, _) = made[random.Next(made.Count)];
        return name + (random.Next(4) == 0 ? "?" : "");
    }

    // An init or set that nobody must call leaves a null.
    string Nullable(string type) => type.EndsWith('?') || scalars.Contains(type) || made.Any(m => m.Name == type && m.IsStruct) || type.StartsWith("ImmutableArray", StringComparison.Ordinal) ? type : type + "?";

    string Pick(params string[] of) => of[random.Next(of.Length)];
}
