using System.Reflection;
using System.Reflection.Emit;

namespace Jobs.Tests.Hosting;

/// <summary>The types that a type mentions: in its declaration, its members' signatures and its method bodies, those of lambdas and state machines included.</summary>
/// <remarks>What the compiler leaves no trace of cannot be seen: constants of another type, and <c>nameof</c>.</remarks>
static class TypeDependencies
{
    const BindingFlags Declared = BindingFlags.DeclaredOnly | BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    static readonly Dictionary<short, OpCode> opcodes = typeof(OpCodes).GetFields().Where(f => f.FieldType == typeof(OpCode)).Select(f => (OpCode)f.GetValue(null)!).ToDictionary(o => o.Value);

    public static HashSet<Type> Of(Type type)
    {
        IEnumerable<Type?> mentioned =
        [
            type.BaseType,
            .. type.GetInterfaces(),
            .. type.GetGenericArguments().SelectMany(Constraints),
            .. type.GetFields(Declared).Select(f => f.FieldType),
            .. type.GetMethods(Declared).SelectMany(OfMethod), // accessors of properties and events are methods
            .. type.GetConstructors(Declared).SelectMany(OfMethod),
            .. type.GetMembers(Declared).Prepend(type).SelectMany(m => m.GetCustomAttributesData()).SelectMany(OfAttribute),
        ];
        return [.. mentioned.SelectMany(Parts)];
    }

    static IEnumerable<Type?> OfMethod(MethodBase method)
    {
        IEnumerable<Type?> signature = [(method as MethodInfo)?.ReturnType, .. method.GetParameters().Select(p => p.ParameterType), .. method.IsGenericMethod ? method.GetGenericArguments().SelectMany(Constraints) : []];
        return method.GetMethodBody() is not { } body ? signature
            : signature.Concat(body.LocalVariables.Select(l => l.LocalType)).Concat(body.ExceptionHandlingClauses.Where(c => c.Flags == ExceptionHandlingClauseOptions.Clause).Select(c => c.CatchType)).Concat(OfBody(method, body.GetILAsByteArray()!));
    }

    /// <summary>Follows every token in the code: of a type, or of a member, whose owner and type arguments count.</summary>
    static IEnumerable<Type?> OfBody(MethodBase method, byte[] code)
    {
        var typeArguments = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        for (var at = 0; at < code.Length;)
        {
            var opcode = code[at] == 0xfe ? opcodes[(short)(0xfe00 | code[at + 1])] : opcodes[code[at]];
            at += opcode.Size;
            if (opcode.OperandType is OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok)
            {
                var member = method.Module.ResolveMember(BitConverter.ToInt32(code, at), typeArguments, methodArguments)!;
                foreach (var type in member is Type named ? [named] : (member as MethodInfo)?.GetGenericArguments().Append(member.DeclaringType) ?? [member.DeclaringType])
                {
                    yield return type;
                }
            }

            at += opcode.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
                _ => 4,
            };
        }
    }

    static IEnumerable<Type?> OfAttribute(CustomAttributeData attribute) =>
        [attribute.AttributeType, .. attribute.ConstructorArguments.Concat(attribute.NamedArguments.Select(n => n.TypedValue)).Select(a => a.Value as Type)];

    static Type[] Constraints(Type argument) => argument.IsGenericParameter ? argument.GetGenericParameterConstraints() : [];

    /// <summary>A list of arrays of T mentions the list, the array's element and T.</summary>
    static IEnumerable<Type> Parts(Type? type) => type switch
    {
        null or { IsGenericParameter: true } => [],
        { HasElementType: true } => Parts(type.GetElementType()),
        { IsConstructedGenericType: true } => type.GetGenericArguments().SelectMany(Parts).Append(type.GetGenericTypeDefinition()),
        _ => [type],
    };
}
