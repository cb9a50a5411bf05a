using System.Collections;
using System.Reflection;
using System.Text.Json.Serialization;
using CsCheck;

namespace Jobs.Contracts.RandomCalls;

/// <summary>Random values of any type that <see cref="RandomSource"/> makes; some of them cannot be sent.</summary>
sealed class RandomValues
{
    const int MaxDepth = 5;

    static readonly NullabilityInfoContext nullability = new();

    readonly Dictionary<(Type, int), Gen<object?>> made = [];

    /// <summary>Values of a parameter; seldom a null where its type says none.</summary>
    public Gen<object?> Of(ParameterInfo parameter) => Of(parameter.ParameterType, IsNullable(nullability.Create(parameter)), 0);

    Gen<object?> Of(Type type, bool isNullable, int depth)
    {
        var values = Of(type, depth);
        return type.IsValueType || depth > MaxDepth && !isNullable ? values
            : Gen.Frequency((isNullable ? 20 : 1, Gen.Const((object?)null)), (100, values));
    }

    Gen<object?> Of(Type type, int depth)
    {
        if (!made.TryGetValue((type, depth), out var gen))
        {
            made[(type, depth)] = gen = Make(type, depth);
        }

        return gen;
    }

    Gen<object?> Make(Type type, int depth)
    {
        if (System.Nullable.GetUnderlyingType(type) is { } underlying)
        {
            return Gen.Frequency((1, Gen.Const((object?)null)), (3, Of(underlying, depth)));
        }

        if (type.IsEnum)
        {
            var (values, number) = (Enum.GetValues(type), Enum.GetUnderlyingType(type));
            return Gen.Frequency(
                (4, Gen.Int[0, values.Length - 1].Select(i => values.GetValue(i))),
                (1, Gen.Byte[0, 100].Select(b => (object?)Enum.ToObject(type, Convert.ChangeType(b, number, System.Globalization.CultureInfo.InvariantCulture)))));
        }

        return Scalar(type) ?? Collection(type, depth) ?? Members(type, depth);
    }

    static Gen<object?>? Scalar(Type type)
    {
        const long Microsecond = TimeSpan.TicksPerMicrosecond;
        return type.Name switch
        {
            nameof(Boolean) => Box(Gen.Bool),
            nameof(Byte) => Box(Gen.Byte),
            nameof(SByte) => Box(Gen.SByte),
            nameof(Int16) => Box(Gen.Short),
            nameof(UInt16) => Box(Gen.UShort),
            nameof(Int32) => Box(Gen.Int),
            nameof(UInt32) => Box(Gen.UInt),
            nameof(Int64) => Box(Gen.Long),
            nameof(UInt64) => Box(Gen.ULong),
            nameof(IntPtr) => Gen.Long.Select(v => (object?)(nint)v),
            nameof(UIntPtr) => Gen.ULong.Select(v => (object?)(nuint)v),
            nameof(Single) => Box(Gen.Frequency((9, Gen.Float), (1, Of(float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, float.MaxValue)))),
            nameof(Double) => Box(Gen.Frequency((9, Gen.Double), (1, Of(double.NaN, double.PositiveInfinity, double.NegativeInfinity, double.Epsilon, double.MaxValue)))),
            nameof(Half) => Gen.Int[-2048, 2048].Select(v => (object?)(Half)v),
            nameof(Int128) => Gen.Long.Select(v => (object?)((Int128)v * long.MaxValue)),
            nameof(Decimal) => Box(Gen.Decimal),
            nameof(Char) => Box(Gen.Char),
            nameof(String) => Box(Gen.String),
            nameof(Guid) => Box(Gen.Guid),
            nameof(DateTime) => Box(Gen.Frequency(
                (9, Gen.Long[0, DateTime.MaxValue.Ticks / Microsecond - 1].Select(us => new DateTime(us * Microsecond, DateTimeKind.Utc))), (1, Of(DateTime.MinValue, DateTime.MaxValue)))),
            nameof(DateTimeOffset) => Box(Gen.Frequency(
                (9, Gen.Long[TimeSpan.TicksPerDay / Microsecond, (DateTime.MaxValue.Ticks - TimeSpan.TicksPerDay) / Microsecond].Select(us => new DateTimeOffset(us * Microsecond, TimeSpan.FromHours(us % 3)))),
                (1, Of(DateTimeOffset.MinValue, DateTimeOffset.MaxValue)))),
            nameof(DateOnly) => Gen.Int[0, DateOnly.MaxValue.DayNumber].Select(day => (object?)DateOnly.FromDayNumber(day)),
            nameof(TimeOnly) => Box(Gen.Frequency((9, Gen.Long[0, TimeSpan.TicksPerDay / Microsecond - 1].Select(us => new TimeOnly(us * Microsecond))), (1, Of(TimeOnly.MinValue, TimeOnly.MaxValue)))),
            nameof(TimeSpan) => Gen.Long.Select(ticks => (object?)new TimeSpan(ticks)),
            nameof(Uri) => Gen.Int.Select(i => (object?)new Uri($"http://example/{i}?q=ä b")),
            nameof(Version) => Gen.Int[0, 99].Select(i => (object?)new Version(i, i + 1, i + 2)),
            "Byte[]" => Box(Gen.Byte.Array[0, 9]),
            _ => null,
        };
    }

    Gen<object?>? Collection(Type type, int depth)
    {
        if (type.IsArray)
        {
            return Items(type.GetElementType()!, depth).Select(items => (object?)Typed(type.GetElementType()!, items));
        }

        if (!type.IsGenericType)
        {
            return null;
        }

        var arguments = type.GenericTypeArguments;
        if (arguments.Length == 2)
        {
            return new All([Items(arguments[0], depth, mayBeNull: false).Select(i => (object?)i), Items(arguments[1], depth).Select(i => (object?)i)]).Select(both =>
            {
                var map = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(arguments))!;
                foreach (var (key, value) in ((object?[])both[0]!).Zip((object?[])both[1]!))
                {
                    map[key!] = value;
                }

                return (object?)map;
            });
        }

        return Items(arguments[0], depth).Select(items => Make(type, Typed(arguments[0], items)));
    }

    static object? Make(Type type, Array items)
    {
        var item = items.GetType().GetElementType()!;
        if (type.IsInterface)
        {
            return Activator.CreateInstance(typeof(List<>).MakeGenericType(item), items);
        }

        if (type.Namespace != "System.Collections.Immutable")
        {
            return Activator.CreateInstance(type, items);
        }

        var factory = type.Assembly.GetType(type.FullName!.Split('`')[0])!;
        return factory.GetMethods()
            .First(m => m.Name == (type.IsValueType ? "Create" : "CreateRange") && m.GetParameters() is [{ ParameterType: { } p }] && (type.IsValueType ? p.IsArray : p.IsInterface))
            .MakeGenericMethod(item).Invoke(null, [items]);
    }

    static Array Typed(Type item, object?[] items)
    {
        var typed = Array.CreateInstance(item, items.Length);
        for (var i = 0; i < items.Length; i++)
        {
            typed.SetValue(items[i], i);
        }

        return typed;
    }

    Gen<object?[]> Items(Type item, int depth, bool mayBeNull = true) =>
        Of(item, isNullable: false, mayBeNull ? depth + 1 : MaxDepth + 1).Array[0, depth > 2 ? 1 : 4];

    Gen<object?> Members(Type type, int depth)
    {
        var derived = type.Assembly.GetTypes().Where(t => t.BaseType == type).ToArray();
        var gens = derived.Select(t => (1, Of(t, depth))).ToList();
        if (!type.IsAbstract)
        {
            gens.Add((12, Instance(type, depth)));
        }

        return Gen.Frequency([.. gens]);
    }

    Gen<object?> Instance(Type type, int depth)
    {
        var constructor = type.GetConstructors().OrderByDescending(c => c.GetParameters().Length).FirstOrDefault();
        var parameters = constructor?.GetParameters() ?? [];
        var properties = type.GetProperties().Where(p => p.SetMethod is not null && parameters.All(a => a.Name != p.Name)).ToArray();
        Gen<object?>[] gens =
        [
            .. parameters.Select(p => Of(p.ParameterType, IsNullable(nullability.Create(p)), depth + 1)),
            .. properties.Select(p => Of(p.PropertyType, IsNullable(nullability.Create(p)), depth + 1)),
        ];
        return new All(gens).Select(values =>
        {
            var instance = parameters.Length > 0 ? constructor!.Invoke(values[..parameters.Length]) : Activator.CreateInstance(type)!;
            foreach (var (property, value) in properties.Zip(values[parameters.Length..]))
            {
                property.SetValue(instance, value);
            }

            return (object?)instance;
        });
    }

    static bool IsNullable(NullabilityInfo info) => info.ReadState == NullabilityState.Nullable;

    static Gen<T> Of<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    static Gen<object?> Box<T>(Gen<T> gen) => gen.Select(v => (object?)v);
}

/// <summary>One value of each.</summary>
sealed class All(IReadOnlyList<Gen<object?>> gens) : Gen<object?[]>
{
    public override object?[] Generate(PCG pcg, Size? min, out Size size)
    {
        var values = new object?[gens.Count];
        ulong total = 0;
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = gens[i].Generate(pcg, null, out var one);
            total += one.I;
        }

        size = new Size(total);
        return values;
    }
}
