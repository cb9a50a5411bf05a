using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Jobs.Wire;

/// <summary>
/// How values of types that are not built in are written and read. A value arrives equal to the one that was sent, or
/// Jobs refuses it.
/// </summary>
/// <remarks>
/// The application's contexts are asked for a type first, the last added first; each context's own options (naming
/// policy, converters) count for its types. Where reflection is on, all other types go through the default serializer.
/// By default, System.Text.Json makes up values for members that a message lacks, and leaves out members that JSON
/// cannot hold. The options here make both an error.
/// </remarks>
sealed class WireTypes
{
    /// <summary>How deep the JSON of a whole body may be nested. Writer and reader have the same limit.</summary>
    public const int MaxDepth = 256;

    readonly ConcurrentDictionary<Type, JsonTypeInfo?> known = new();
    readonly List<JsonSerializerContext> contexts = [];
    readonly List<Action<JsonSerializerOptions>> settings = [];
    readonly Lazy<JsonSerializerOptions[]> resolvers; // in the order in which they are asked

    public WireTypes() => resolvers = new(Resolvers);

    /// <summary>The types without an application's contexts and options: for comparing arguments.</summary>
    public static WireTypes Default { get; } = new();

    public static JsonReaderOptions ReaderOptions { get; } = new() { MaxDepth = MaxDepth };

    // Relaxed escaping, because it is shorter. Celery and System.Text.Json read both forms.
    public static JsonWriterOptions WriterOptions { get; } = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
        MaxDepth = MaxDepth,
    };

    /// <summary>
    /// Adds a context. Call this before the first value is written or read. The last added context is asked first.
    /// </summary>
    public void Add(JsonSerializerContext context) => contexts.Insert(0, context);

    /// <summary>Adds a change to the options. Call this before the first value is written or read.</summary>
    public void Configure(Action<JsonSerializerOptions> setting) => settings.Add(setting);

    /// <exception cref="NotSupportedException">
    /// No context knows the type, and reflection is off; or values of the type would not arrive as they were sent.
    /// </exception>
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
        options.PropertyNameCaseInsensitive = true; // as web frameworks do
        options.RespectNullableAnnotations = true;
        options.RespectRequiredConstructorParameters = true;
        options.AllowDuplicateProperties = false;
        options.IgnoreReadOnlyProperties = options.IgnoreReadOnlyFields = false;
        options.DefaultIgnoreCondition = JsonIgnoreCondition.Never; // to the reader, a null left out is a missing member
        options.NumberHandling |= JsonNumberHandling.AllowNamedFloatingPointLiterals;
        foreach (var converter in WireConverters.All)
        {
            options.Converters.Add(converter); // behind the application's converters, which win
        }

        options.TypeInfoResolver = options.TypeInfoResolver?.WithAddedModifier(Refuse);
        return options;
    }

    /// <summary>Makes the serializer refuse to write a value of which it would leave out a part.</summary>
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

            // Only if needed: the callback boxes each value.
            info.OnSerializing = lost is null ? before : _ => throw new NotSupportedException(lost);
            return;
        }

        var looked = lost is not null;
        info.OnSerializing = value =>
        {
            if (!looked)
            {
                // Only now: earlier, the constructor's parameters are not known.
                (lost, looked) = (Unsettable(info), true);
            }

            if (lost is not null)
            {
                throw new NotSupportedException(lost);
            }

            if (value.GetType() != declared)
            {
                throw new NotSupportedException(
                    $"a {value.GetType()} would arrive as a {declared}, the declared type, without its own members; declare {value.GetType()}, or "
                        + $"mark {declared} with [JsonDerivedType]");
            }

            before?.Invoke(value);
        };
    }

    /// <summary>
    /// Requires the members that a struct's own constructor takes without a default. The serializer makes a struct with
    /// the default constructor, and would not miss them.
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
            return $"{info.Type} has no property that JSON could keep";
        }

        return info.Type.GetFields(BindingFlags.Public | BindingFlags.Instance).FirstOrDefault(IsLost) is { } field
            ? $"{info.Type} has a field '{field.Name}', which JSON does not keep; make it a property, or mark it with [JsonInclude]"
            : null;

        bool IsLost(FieldInfo field) =>
            !info.Properties.Any(p => p.AttributeProvider is FieldInfo kept && kept.Name == field.Name)
            && field.GetCustomAttribute<JsonIgnoreAttribute>() is null && !info.Options.IncludeFields;
    }

    // For example a BigInteger or a Lazy: the members that are written do not restore the value. For the application's
    // own types this may be intended, when the reader makes no object of the JSON.
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
