namespace Jobs.Generators;

/// <summary>
/// Emits the definition of one task: its settings, the call of its method, and the class of its arguments.
/// </summary>
static class DefinitionEmitter
{
    public static void Emit(CodeWriter code, TaskModel task)
    {
        var parameters = task.WireParameters.ToArray();
        var result = task.Result is null ? "" : $"<{task.Result.Spelled}>";
        var name = task.DefinitionType.Substring(task.DefinitionType.LastIndexOf('.') + 1);
        code.Open($"internal sealed class {name} : global::Jobs.Registry.TaskDefinition{result}");
        EmitInstance(code, task, name);
        code.Line();
        code.Line(parameters.Length == 0
            ? "static readonly string[] ParameterNames = global::System.Array.Empty<string>();"
            : $"static readonly string[] ParameterNames = new string[] {{ {string.Join(", ", parameters.Select(p => $"\"{p.Name}\""))} }};");
        code.Line();
        code.Open($"public override global::System.Threading.Tasks.ValueTask{result} "
            + $"{(task.Result is null ? "InvokeAsync" : "CallAsync")}(global::Jobs.JobContext context, ref global::Jobs.Wire.ArgumentReader arguments)");
        EmitReads(code, parameters);
        EmitCall(code, task, result);
        code.Close();
        if (task.Result is { } type)
        {
            code.Line();
            EmitResult(code, type);
        }

        if (parameters.Length > 0)
        {
            code.Line();
            EmitDescription(code, parameters);
            code.Line();
            EmitArguments(code, "Arguments", parameters);
        }

        if (task.Step != StepKind.None && parameters.Length > 1)
        {
            code.Line();
            EmitArguments(code, "StepArguments", [.. task.StepParameters]);
        }

        code.Close();
    }

    static void EmitInstance(CodeWriter code, TaskModel task, string name)
    {
        code.Line($"internal static readonly {name} Instance = new {name}()").Open();
        code.Line($"Name = {TaskSettings.Quote(task.Name)},");
        code.Line($"Class = typeof({task.Container.Type}),");
        foreach (var setting in task.Settings)
        {
            code.Line(setting + ",");
        }

        if (task.Schedules.Count > 0)
        {
            code.Line("Schedules = new global::Jobs.Registry.TaskSchedule[]").Open();
            foreach (var schedule in task.Schedules)
            {
                code.Line($"new global::Jobs.Registry.TaskSchedule {{ {schedule} }},");
            }

            code.Close(",");
        }

        code.Close(";");
    }

    static void EmitReads(CodeWriter code, ParameterModel[] parameters)
    {
        code.Line("var a = arguments.For(ParameterNames);");
        var values = new ValueEmitter(code, parameters.Select(Local));
        foreach (var parameter in parameters)
        {
            var (type, local) = (parameter.Type!, Local(parameter));
            if (parameter.Default is { } value)
            {
                code.Line($"{type.Declared} {local} = {value};").Open("if (a.Next())");
                values.Read(type, local);
                code.Close();
            }
            else
            {
                code.Line($"{type.Declared} {local};").Line("a.Require();");
                values.Read(type, local);
            }
        }

        code.Line("a.End();");
    }

    static void EmitCall(CodeWriter code, TaskModel task, string result)
    {
        if (!task.IsStatic)
        {
            code.Line("var target = global::Microsoft.Extensions.DependencyInjection.ServiceProviderServiceExtensions"
                + $".GetRequiredService<{task.Container.Type}>(context.Services);");
        }

        // The '!' is for parameters with the default null, although their type does not allow null.
        var arguments = task.Parameters.Select(p => p.Injected ?? (p.Type is { IsReference: true, AcceptsNull: true } ? Local(p) + "!" : Local(p)));
        var call = $"{(task.IsStatic ? task.Container.Type : "target")}.{NameRules.Escape(task.Method)}({string.Join(", ", arguments)})";
        switch (task.Returns)
        {
            case ReturnKind.Void:
                code.Line(call + ";").Line("return default;");
                break;
            case ReturnKind.ValueTask or ReturnKind.ValueTaskOf:
                code.Line($"return {call};");
                break;
            default:
                code.Line($"return new global::System.Threading.Tasks.ValueTask{result}({call}{(task.MayReturnNoTask ? "!" : "")});");
                break;
        }
    }

    static void EmitResult(CodeWriter code, TypeModel type)
    {
        code.Open($"protected override void WriteResult(global::Jobs.Wire.ArgumentWriter writer, {type.Spelled} result)");

        // Nobody has checked the result: it may be null although its type does not allow null. Such a null is written
        // too.
        var sent = type with { IsNullable = type.IsNullable || type.IsReference };
        new ValueEmitter(code, ["writer", "result"]).Write(sent, "result");
        code.Close().Line();
        code.Open($"public override {type.Spelled} ReadResult(ref global::Jobs.Wire.ArgumentReader a)").Line($"{sent.Declared} result;");
        new ValueEmitter(code, ["a", "result"]).Read(sent, "result");
        code.Line("return result!;").Close();
    }

    // A method, and not a setting of the instance: a program with many tasks starts without making all of this.
    static void EmitDescription(CodeWriter code, ParameterModel[] parameters)
    {
        code.Open("protected override global::System.Collections.Generic.IReadOnlyList<global::Jobs.Registry.TaskParameter> DescribeParameters()");
        code.Line("return new global::Jobs.Registry.TaskParameter[]").Open();
        foreach (var parameter in parameters)
        {
            code.Line($"new global::Jobs.Registry.TaskParameter({TaskSettings.Quote(parameter.Name)}, {TaskSettings.Quote(parameter.TypeText)}, "
                + $"IsSensitive: {Literal(parameter.IsSensitive)}, IsOptional: {Literal(parameter.Default is not null)}),");
        }

        code.Close(";").Close();
    }

    static void EmitArguments(CodeWriter code, string name, ParameterModel[] parameters)
    {
        var list = string.Join(", ", parameters.Select(p => $"{p.Type!.Declared} {Local(p)}"));
        code.Open($"internal sealed class {name}({list}) : global::Jobs.Wire.JobArguments");
        code.Open("public override void WritePositional(global::Jobs.Wire.ArgumentWriter writer)");
        var values = new ValueEmitter(code, parameters.Select(Local));
        foreach (var parameter in parameters)
        {
            values.Write(parameter.Type!, Local(parameter));
        }

        code.Close().Close();
    }

    static string Literal(bool value) => value ? "true" : "false";

    /// <summary>
    /// The name of a parameter's variable. The prefix keeps the name apart from all names that generated code uses
    /// itself.
    /// </summary>
    static string Local(ParameterModel parameter) => "p_" + parameter.Name;
}
