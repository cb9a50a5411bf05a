namespace Jobs;

/// <summary>
/// Marks a parameter of a task whose value viewers must not see: each event, and so Flower, dashboards and the history,
/// shows <c>'***'</c> in its place, whether the value comes by position or by name.
/// </summary>
/// <remarks>
/// <para>
/// A parameter or a property with a telling name, such as <c>password</c> or <c>apiKey</c>, needs no attribute:
/// <see cref="JobsOptions.SensitiveNames"/>.
/// </para>
/// <para>The attribute keeps the value out of events only. It does nothing about:</para>
/// <list type="bullet">
/// <item>the message. Broker, file, dead letters and stored results have the value in plain text: encrypt it yourself,
/// or send the id of a secret instead of the secret;</item>
/// <item>the messages of exceptions, the logs of the task and traces, if the task writes the value there;</item>
/// <item>what the task returns; of a result only properties are hidden, by their names;</item>
/// <item>events of a process that does not have the task, such as a Python worker, and events of a job that a sender
/// calls by another name;</item>
/// <item>texts of the arguments that the sender itself has put into the message (<c>argsrepr</c>, <c>kwargsrepr</c>).
/// They are shown as they are. Celery's clients send them with each job: hide the value there with <c>argsrepr=</c>.</item>
/// </list>
/// <para>
/// The attribute has an effect on the parameters of methods with <see cref="TaskAttribute"/> only, not on those of the
/// constructors of records that are sent.
/// </para>
/// </remarks>
[AttributeUsage(AttributeTargets.Parameter)]
public sealed class SensitiveAttribute : Attribute;
