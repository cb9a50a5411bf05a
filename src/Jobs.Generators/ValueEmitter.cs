namespace Jobs.Generators;

/// <summary>Emits the statements that write and read values, inside one method.</summary>
/// <param name="code">The code to add to.</param>
/// <param name="taken">The names of the method's parameters and variables.</param>
sealed class ValueEmitter(CodeWriter code, IEnumerable<string> taken)
{
    readonly HashSet<string> names = new(taken, StringComparer.Ordinal);

    public void Write(TypeModel type, string value)
    {
        if (type.AcceptsNull && type.Kind != ValueKind.String) // WriteString takes null itself
        {
            var present = Fresh("value");
            code.Open($"if ({value} is {{ }} {present})");
            WritePresent(type, present);
            code.Close().Line("else").Open().Line("writer.WriteNull();").Close();
            return;
        }

        WritePresent(type, value);
    }

    public void Read(TypeModel type, string target)
    {
        if (type.AcceptsNull)
        {
            code.Open("if (a.IsNull)").Line($"{target} = null;").Close().Line("else").Open();
            ReadPresent(type, target);
            code.Close();
            return;
        }

        ReadPresent(type, target);
    }

    void WritePresent(TypeModel type, string value)
    {
        switch (type.Kind)
        {
            case ValueKind.Enum:
                WriteEnum(type, value);
                break;
            case ValueKind.Array or ValueKind.List or ValueKind.Set or ValueKind.ImmutableArray:
                var items = type.Kind == ValueKind.ImmutableArray ? $"({value}.IsDefault ? {type.Name}.Empty : {value})" : value;
                var element = Fresh("item");
                code.Line("writer.StartArray();").Open($"foreach (var {element} in {items})");
                WriteItem(type.Item!, element, "an item of a list");
                code.Close().Line("writer.EndArray();");
                break;
            case ValueKind.Map:
                var pair = Fresh("pair");
                code.Line("writer.StartMap();").Open($"foreach (var {pair} in {value})");
                code.Line($"writer.WriteKey({pair}.Key);");
                WriteItem(type.Item!, pair + ".Value", "a value of a dictionary");
                code.Close().Line("writer.EndMap();");
                break;
            case >= ValueKind.Byte and <= ValueKind.Decimal:
                code.Line($"writer.WriteNumber({value});");
                break;
            default:
                code.Line($"writer.Write{type.Kind}({value});"); // the kinds have the names of the writer's methods
                break;
        }
    }

    /// <summary>
    /// Emits the statements for an item of a collection, with a check for null: nobody has checked the items yet, and
    /// the reader refuses a null that the type does not allow.
    /// </summary>
    void WriteItem(TypeModel type, string value, string what)
    {
        if (type is { IsReference: true, AcceptsNull: false })
        {
            code.Line($"global::System.ArgumentNullException.ThrowIfNull({value}, \"{what}\");");
        }

        Write(type, value);
    }

    void WriteEnum(TypeModel type, string value)
    {
        code.Line($"writer.WriteEnum({value} switch").Open();
        foreach (var member in type.Members.Where(m => m.IsFirstOfValue))
        {
            code.Line($"{member.Expression} => \"{member.Name}\",");
        }

        code.Line("_ => null,").Close($", unchecked((long){value}));");
    }

    void ReadPresent(TypeModel type, string target)
    {
        switch (type.Kind)
        {
            case ValueKind.Enum:
                ReadEnum(type, target);
                break;
            case ValueKind.Array or ValueKind.List or ValueKind.Set or ValueKind.ImmutableArray:
                ReadItems(type, target);
                break;
            case ValueKind.Map:
                var (map, key, item) = (Fresh("map"), Fresh("key"), Fresh("item"));
                code.Line("a.StartMap();").Line($"var {map} = new global::System.Collections.Generic.Dictionary<string, {type.Item!.Spelled}>();");
                code.Open($"while (a.NextKey(out var {key}))").Line($"{type.Item!.Declared} {item};");
                Read(type.Item, item);
                code.Line($"{map}[{key}] = {Forgive(type.Item, item)};").Close().Line($"{target} = {map};");
                break;
            case ValueKind.NInt or ValueKind.NUInt:
                code.Line($"{target} = ({type.Name})a.{(type.Kind == ValueKind.NInt ? "GetInt64" : "GetUInt64")}();");
                break;
            case ValueKind.Object:
                if (type.IsReference && !type.AcceptsNull)
                {
                    code.Open("if (a.IsNull)").Line($"throw a.Wrong(\"{Short(type.Name)}\");").Close();
                }

                code.Line($"{target} = a.GetObject<{type.Name}>();");
                break;
            default:
                code.Line($"{target} = a.Get{type.Kind}();"); // the kinds have the names of the reader's methods
                break;
        }
    }

    void ReadItems(TypeModel type, string target)
    {
        var (list, item, itemType) = (Fresh("list"), Fresh("item"), type.Item!.Spelled);
        code.Line("a.StartArray();");
        code.Line(type.Kind switch
        {
            ValueKind.Set => $"var {list} = new global::System.Collections.Generic.HashSet<{itemType}>();",
            ValueKind.ImmutableArray => $"var {list} = global::System.Collections.Immutable.ImmutableArray.CreateBuilder<{itemType}>();",
            _ => $"var {list} = new global::System.Collections.Generic.List<{itemType}>();",
        });
        code.Open("while (a.NextItem())").Line($"{type.Item!.Declared} {item};");
        Read(type.Item, item);
        code.Line($"{list}.Add({Forgive(type.Item, item)});").Close();
        code.Line(type.Kind switch
        {
            ValueKind.Array => $"{target} = {list}.ToArray();",
            ValueKind.ImmutableArray => $"{target} = {list}.ToImmutable();",
            _ => $"{target} = {list};",
        });
    }

    void ReadEnum(TypeModel type, string target)
    {
        var expected = type.Members.Count is 0 or > 12 ? Short(type.Name) : $"{Short(type.Name)} ({string.Join(", ", type.Members.Select(m => m.Name))})";
        var (name, number) = (Fresh("name"), Fresh("number"));
        code.Open($"if (a.GetEnum(\"{expected}\", out var {name}, out var {number}))").Line($"{target} = {name} switch").Open();
        foreach (var member in type.Members)
        {
            code.Line($"\"{member.Name}\" => {member.Expression},");
        }

        code.Line($"_ => throw a.Wrong(\"{expected}\"),").Close(";").Close().Line("else").Open();
        if (type.Underlying is not ("long" or "ulong"))
        {
            code.Open($"if ({number} is < {type.Underlying}.MinValue or > {type.Underlying}.MaxValue)").Line($"throw a.Wrong(\"{expected}\");").Close();
        }

        code.Line($"{target} = unchecked(({type.Name}){number});").Close();
    }

    /// <summary>A variable name that is not used in the method yet.</summary>
    string Fresh(string stem)
    {
        var name = stem;
        for (var i = 2; !names.Add(name); i++)
        {
            name = stem + i.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        return name;
    }

    static string Forgive(TypeModel item, string expression) => item.IsOblivious ? expression + "!" : expression;

    static string Short(string name) => name.Substring(Math.Max(name.LastIndexOf('.'), name.LastIndexOf(':')) + 1).TrimEnd('>');
}
