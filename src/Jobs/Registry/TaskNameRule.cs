namespace Jobs.Registry;

/// <summary>The rule for wire names: what AMQP, Celery and every log can carry.</summary>
static class TaskNameRule
{
    public const int MaxLength = 200;

    /// <exception cref="ArgumentException">The name cannot travel.</exception>
    public static void Validate(string name)
    {
        if (!IsValid(name))
        {
            throw new ArgumentException(
                $"'{name}' is not a task name: use 1 to {MaxLength} letters, digits, '.', '_', '-' or ':', beginning with a letter or '_', for "
                    + "example 'news.refresh'.",
                nameof(name));
        }
    }

    // Celery derives names from Python modules, so upper-case letters and underscores are legal. Names of our own tasks
    // are lower-case by convention only.
    public static bool IsValid(string name)
    {
        if (string.IsNullOrEmpty(name) || name.Length > MaxLength || !(char.IsAsciiLetter(name[0]) || name[0] == '_'))
        {
            return false;
        }

        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-' or ':'))
            {
                return false;
            }
        }

        return true;
    }
}
