using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Jobs.Wire;

/// <summary>How values of other than built-in types are written and read: what arrives is equal to what was sent, or it is refused.</summary>
/// <remarks>
/// A type is looked for in the application's contexts, in their order; each context's own options count (naming policy, converters). The rest goes through the
/// default serializer, where reflection is on. The serializer by itself makes up what a message does not have and drops what it cannot keep; here it
/// does neither.
/// </remarks>
sealed class WireTypes
{
    /// <summary>How deep JSON may be nested, a whole body: who writes and who reads agree.</summary>
    public const int MaxDepth = 256;

    readonly ConcurrentDictionary<Type, JsonTypeInfo?> known = new();
    readonly List<JsonSerializerContext> contexts = [];
    readonly List<Action<JsonSerializerOptions>> settings = [];
    readonly Lazy<JsonSerializerOptions[]> resolvers; // in the order in which they are asked

    public WireTypes() => resolvers = new(Resolvers);

    /// <summary>For what needs no application: comparing arguments.</summary>
    public static WireTypes Default { get; } = new();

    public static JsonReaderOptions ReaderOptions { get; } = new() { MaxDepth = MaxDepth };

    // Celery and System.Text.Json read either; what is not escaped is shorter.
    public static JsonWriterOptions WriterOptions { get; } = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
        MaxDepth = MaxDepth,
    };

    /// <summary>Before the first value is written or read. The last context is asked first.</summary>
    public void Add(JsonSerializerContext context) => contexts.Insert(0, context);

    /// <summary>Before the first value is written or read.</summary>
    public void Configure(Action<JsonSerializerOptions> setting) => settings.Add(setting);

    /// <exception cref="NotSupportedException">No context knows the type, and reflection is off; or no value of it would arrive.</exception>
    public JsonTypeInfo Of(Type type) => Find(type)
        ?? throw new NotSupportedException($"No JsonSerializerContext knows {type}, and reflection is off.");

    public JsonTypeInfo? Find(Type type) => known.TryGetValue(type, out var info) ? info : known.GetOrAdd(type, Look);

    JsonTypeInfo? Look(Type type)
    {
        foreach (var options in resolvers.Value)
        {
            if (options.TryGetTypeInfo(type, out var info))
            {
                return info;
            }
        }

        return null;
    }

    JsonSerializerOptions[] Resolvers()
    {
        var all = contexts.Select(context => new JsonSerializerOptions(context.Options) { TypeInfoResolver = context }).ToList();
        if (JsonSerializer.IsReflectionEnabledByDefault)
        {
            all.Add(new() { TypeInfoResolver = DefaultResolver() });
        }

        return [.. all.Select(Strict)];
    }

    JsonSerializerOptions Strict(JsonSerializerOptions options)
    {
        foreach (var set in settings)
        {
            set(options);
        }

        options.Encoder ??= WriterOptions.Encoder;
        options.MaxDepth = MaxDepth;
        options.PropertyNameCaseInsensitive = true; // as the names of parameters are to a reader, and in other frameworks
        options.RespectNullableAnnotations = true;
        options.RespectRequiredConstructorParameters = true;
        options.AllowDuplicateProperties = false;
        options.IgnoreReadOnlyProperties = options.IgnoreReadOnlyFields = false;
        options.DefaultIgnoreCondition = JsonIgnoreCondition.Never; // what is left out for a null would be missing for whoever reads
        options.NumberHandling |= JsonNumberHandling.AllowNamedFloatingPointLiterals;
        foreach (var converter in WireConverters.All)
        {
            options.Converters.Add(converter); // behind those of the application
        }

        options.TypeInfoResolver = options.TypeInfoResolver?.WithAddedModifier(Refuse);
        return options;
    }

    /// <summary>Refuses, when it is written, what the serializer would leave out.</summary>
    static void Refuse(JsonTypeInfo info)
    {
        if (info.Kind != JsonTypeInfoKind.Object)
        {
            return;
        }

        var (declared, before, lost) = (info.Type, info.OnSerializing, LostField(info));
        if (declared.IsValueType)
        {
            lost ??= IsMadeAsMarked(declared) ? null : Unsettable(info);
            RequireMembers(info);
            info.OnSerializing = lost is null ? before : _ => throw new NotSupportedException(lost); // for others not: it would box each value
            return;
        }

        var looked = lost is not null;
        info.OnSerializing = value =>
        {
            if (!looked)
            {
                (lost, looked) = (Unsettable(info), true); // not before: the parameters of its constructor are not known earlier
            }

            if (lost is not null)
            {
                throw new NotSupportedException(lost);
            }

            if (value.GetType() != declared)
            {
                throw new NotSupportedException(
                    $"a {value.GetType()} would arrive as the {declared} that is declared, without what is its own; declare {value.GetType()}, or mark {declared} with [JsonDerivedType]");
            }

            before?.Invoke(value);
        };
    }

    /// <summary>
    /// The serializer makes a struct by its default constructor: what its own constructor cannot do without must come all the same.
    /// </summary>
    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "A constructor that was trimmed is called by nobody.")]
    static void RequireMembers(JsonTypeInfo info)
    {
        if (IsSystem(info.Type) || IsMadeAsMarked(info.Type) || info.Type.GetConstructors() is not [var constructor])
        {
            return;
        }

        var needed = constructor.GetParameters().Where(p => !p.HasDefaultValue).Select(p => p.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (var property in info.Properties.Where(p => p.Set is not null && needed.Contains((p.AttributeProvider as MemberInfo)?.Name ?? p.Name)))
        {
            property.IsRequired = true;
        }
    }

    static bool IsSystem(Type type) => type.Namespace is { } space && (space == "System" || space.StartsWith("System.", StringComparison.Ordinal));

    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "A field that was trimmed is used by nobody.")]
    static string? LostField(JsonTypeInfo info)
    {
        const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance;
        if (info.Properties.Count == 0 && info.PolymorphismOptions is null && info.Type != typeof(object) && info.Type.GetFields(Any).Length > 0)
        {
            return $"{info.Type} has no property, and JSON keeps nothing of it";
        }

        return info.Type.GetFields(BindingFlags.Public | BindingFlags.Instance).FirstOrDefault(IsLost) is { } field
            ? $"{info.Type} has a field '{field.Name}', which JSON does not keep; make it a property, or mark it with [JsonInclude]"
            : null;

        bool IsLost(FieldInfo field) =>
            !info.Properties.Any(p => p.AttributeProvider is FieldInfo kept && kept.Name == field.Name)
            && field.GetCustomAttribute<JsonIgnoreAttribute>() is null && !info.Options.IncludeFields;
    }

    // A BigInteger, a Lazy: what is written of them is nothing of their value. With the application's own types that may be meant
    // so, for a reader that makes no object of it.
    static string? Unsettable(JsonTypeInfo info) =>
        IsSystem(info.Type) && info.Properties.Count > 0 && info.PolymorphismOptions is null
        && info.Properties.All(p => p.Set is null && p.AssociatedParameter is null && !p.IsExtensionData)
            ? $"{info.Type} has no property that could be set when it is read"
            : null;

    [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "A constructor that was trimmed is called by nobody.")]
    static bool IsMadeAsMarked(Type type) => type.GetConstructors().Any(c => c.GetCustomAttribute<JsonConstructorAttribute>() is not null);

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only reached where reflection is enabled; trimmed apps give a JsonSerializerContext.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only reached where reflection is enabled; AOT apps give a JsonSerializerContext.")]
    static DefaultJsonTypeInfoResolver DefaultResolver() => new();
}
