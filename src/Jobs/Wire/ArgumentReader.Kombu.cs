using System.Text.Json;

namespace Jobs.Wire;

// Reads values that JSON has no type for, as kombu writes them.
public ref partial struct ArgumentReader
{
    /// <summary>
    /// The text of a string, or of kombu's envelope of that type; <see langword="null"/> for anything else.
    /// </summary>
    string? Text(string type)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            return reader.GetString();
        }

        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return null;
        }

        var (sent, value) = Envelope();
        return sent == type ? value : null;
    }

    /// <summary>
    /// Reads <c>{"__type__": t, "__value__": v}</c> to its end. <c>v</c> is a string, or
    /// <c>{"hex": …}</c> for a UUID.
    /// </summary>
    (string Type, string Value) Envelope()
    {
        string type = "", value = "";
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            reader.Read();
            if (reader.TokenType == JsonTokenType.StartObject)
            {
                value = Envelope().Value; // {"hex": …}
            }
            else if (reader.TokenType == JsonTokenType.String)
            {
                if (name == "__type__")
                {
                    type = reader.GetString()!;
                }
                else
                {
                    value = reader.GetString()!;
                }
            }
            else
            {
                reader.Skip();
            }
        }

        return (type, value);
    }

    static bool TryBase64(string text, out byte[] bytes)
    {
        bytes = new byte[text.Length];
        var ok = Convert.TryFromBase64String(text, bytes, out var written);
        bytes = bytes[..written];
        return ok;
    }
}
