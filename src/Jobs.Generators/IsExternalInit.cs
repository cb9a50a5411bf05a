namespace System.Runtime.CompilerServices;

/// <summary>Records need this type, and netstandard2.0 does not have it.</summary>
static class IsExternalInit;
