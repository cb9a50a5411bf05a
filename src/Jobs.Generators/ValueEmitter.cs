namespace Jobs.Generators;

/// <summary>Emits the statements that write and read values, inside one method.</summary>
/// <param name="code">Where to.</param>
/// <param name="taken">The names of the method's parameters and variables.</param>
sealed class ValueEmitter(CodeWriter code, IEnumerable<string> taken)
{
    const string Invariant = "global::System.Globalization.CultureInfo.InvariantCulture";

    // Python before 3.11 reads at most six digits of a second.
    const string DateTimeFormat = "\"yyyy-MM-dd'T'HH:mm:ss.ffffff'+00:00'\"";

    readonly HashSet<string> names = new(taken, StringComparer.Ordinal);

    public void Write(TypeModel type, string value)
    {
        if (type.AcceptsNull)
        {
            var present = Fresh("value");
            code.Open($"if ({value} is {{ }} {present})");
            WritePresent(type, present);
            code.Close().Line("else").Open().Line("writer.WriteNullValue();").Close();
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
            case ValueKind.Single or ValueKind.Double:
                // JSON has no such numbers; the readers of both sides know these names.
                var number = type.Kind == ValueKind.Single ? "float" : "double";
                code.Open($"if ({number}.IsFinite({value}))").Line($"writer.WriteNumberValue({value});").Close();
                code.Line("else").Open().Line($"writer.WriteStringValue({number}.IsNaN({value}) ? \"NaN\" : {value} > 0 ? \"Infinity\" : \"-Infinity\");").Close();
                break;
            case ValueKind.Enum:
                WriteEnum(type, value);
                break;
            case ValueKind.Array or ValueKind.List or ValueKind.Set or ValueKind.ImmutableArray:
                var items = type.Kind == ValueKind.ImmutableArray ? $"({value}.IsDefault ? {type.Name}.Empty : {value})" : value;
                var element = Fresh("item");
                code.Line("writer.WriteStartArray();").Open($"foreach (var {element} in {items})");
                Write(type.Item!, element);
                code.Close().Line("writer.WriteEndArray();");
                break;
            case ValueKind.Map:
                var pair = Fresh("pair");
                code.Line("writer.WriteStartObject();").Open($"foreach (var {pair} in {value})");
                code.Line($"writer.WritePropertyName({pair}.Key);");
                Write(type.Item!, pair + ".Value");
                code.Close().Line("writer.WriteEndObject();");
                break;
            default:
                code.Line(Scalar(type, value));
                break;
        }
    }

    static string Scalar(TypeModel type, string value) => type.Kind switch
    {
        ValueKind.Boolean => $"writer.WriteBooleanValue({value});",
        ValueKind.NInt => $"writer.WriteNumberValue((long){value});",
        ValueKind.NUInt => $"writer.WriteNumberValue((ulong){value});",
        ValueKind.Char => $"writer.WriteStringValue({value}.ToString());",
        ValueKind.String or ValueKind.Guid => $"writer.WriteStringValue({value});",
        // A time without a kind is UTC: the reader, and Celery, take it so.
        ValueKind.DateTime => $"writer.WriteStringValue(({value}.Kind == global::System.DateTimeKind.Local ? {value}.ToUniversalTime() : {value}).ToString({DateTimeFormat}, {Invariant}));",
        ValueKind.DateTimeOffset => $"writer.WriteStringValue({value}.UtcDateTime.ToString({DateTimeFormat}, {Invariant}));",
        ValueKind.DateOnly => $"writer.WriteStringValue({value}.ToString(\"yyyy-MM-dd\", {Invariant}));",
        ValueKind.TimeOnly => $"writer.WriteStringValue({value}.ToString(\"HH:mm:ss.ffffff\", {Invariant}));",
        ValueKind.TimeSpan => $"writer.WriteStringValue({value}.ToString(\"c\", {Invariant}));",
        ValueKind.Bytes => $"writer.WriteBase64StringValue({value});",
        ValueKind.Object => $"global::System.Text.Json.JsonSerializer.Serialize(writer, {value}, (global::System.Text.Json.Serialization.Metadata.JsonTypeInfo<{type.Name}>)json.GetTypeInfo(typeof({type.Name})));",
        _ => $"writer.WriteNumberValue({value});",
    };

    void WriteEnum(TypeModel type, string value)
    {
        code.Open($"switch ({value})");
        foreach (var member in type.Members.Where(m => m.IsFirstOfValue))
        {
            code.Line($"case {member.Expression}: writer.WriteStringValue(\"{member.Name}\"); break;");
        }

        code.Line($"default: writer.WriteNumberValue(unchecked((long){value})); break;").Close();
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
                code.Line("a.StartMap();").Line($"var {map} = new global::System.Collections.Generic.Dictionary<string, {ItemType(type)}>();");
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
        var (list, item, itemType) = (Fresh("list"), Fresh("item"), ItemType(type));
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

    /// <summary>A variable name that nothing else in the method has.</summary>
    string Fresh(string stem)
    {
        var name = stem;
        for (var i = 2; !names.Add(name); i++)
        {
            name = stem + i.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        return name;
    }

    /// <summary>The type argument as the collection's own type spells it: in code without nullable annotations it has no question mark.</summary>
    static string ItemType(TypeModel type) => type.Item!.IsNullable ? type.Item.Declared : type.Item.Name;

    static string Forgive(TypeModel item, string expression) => item.IsOblivious ? expression + "!" : expression;

    static string Short(string name) => name.Substring(Math.Max(name.LastIndexOf('.'), name.LastIndexOf(':')) + 1).TrimEnd('>');
}
