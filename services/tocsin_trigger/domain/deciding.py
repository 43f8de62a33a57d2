"""What one trigger decides about one event: a function of the two, so that deciding again decides the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from tocsin.errors import Invalid, Rejected, Violation
from tocsin.expressions import Cost, Expression, ExpressionInvalid, Json, Template, compile_condition, compile_template, truthy
from tocsin.signals import ABSENT, CloudEvent
from tocsin.signals.codec import format_time
from tocsin_trigger.domain.conditions import (
    VARIABLES,
    Conditions,
    Wanted,
    compile_conditions,
    filter_complaint,
    open_cost,
    schema_complaint,
)
from tocsin_trigger.domain.errors import TriggerInvalid
from tocsin_trigger.domain.events import Decision, Outcome, run_id
from tocsin_trigger.domain.rules import Collect, Throttle
from tocsin_trigger.domain.sources import Clause, CorrelationSource, FunctionSource, PollSource, Role
from tocsin_trigger.domain.triggers import Trigger, WebhookSource

KEY_LIMIT = 256  # characters of what events of one group have in common


@dataclass(frozen=True, slots=True)
class ReadyClause:
    """A clause with everything compiled.

    Attributes:
        clause: The clause.
        conditions: Compiled.
        key: Compiled; ``None``: that of the trigger.
    """

    clause: Clause
    conditions: Conditions
    key: Expression | None


@dataclass(frozen=True, slots=True)
class Ready:
    """A trigger with everything compiled and unsealed that deciding needs.

    Attributes:
        trigger: The trigger.
        revision: Which state of it this is.
        conditions: Compiled.
        input: Compiled.
        keys: Key material of a webhook with each key's id.
        message_id: Compiled path to a webhook's id in its body.
        clauses: Of a correlation, by name.
        key: Compiled path to what the events of one group have in common.
        until: Compiled condition on the events of a group so far.
    """

    trigger: Trigger
    revision: int
    conditions: Conditions
    input: Template | None
    keys: tuple[tuple[str, bytes], ...] = ()
    message_id: Expression | None = None
    clauses: Mapping[str, ReadyClause] = field(default_factory=dict)
    key: Expression | None = None
    until: Expression | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that passed every condition about itself; what the trigger remembers has the last word.

    Attributes:
        ready: The trigger.
        group: What it has in common with others, as text; empty where the trigger asks for nothing.
        clauses: Those that it fits, in order; one without a name where the trigger has none.
    """

    ready: Ready
    group: str
    clauses: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class Start:
    """A run to start.

    Attributes:
        run: Its id.
        trigger: What starts it.
        input: Its input.
    """

    run: str
    trigger: Trigger
    input: Json


def prepare(trigger: Trigger, revision: int = 0, keys: tuple[tuple[str, bytes], ...] = ()) -> Ready:
    """Compile a trigger's expressions.

    Raises:
        TriggerInvalid: An expression does not compile, or may take too long to be evaluated here.
    """
    conditions, violations = compile_conditions(Wanted(trigger.schema, trigger.cesql, trigger.filter))
    template = None
    try:
        template = compile_template(trigger.input, VARIABLES) if trigger.input is not None else None
    except ExpressionInvalid as error:
        violations += [Violation(f"/input{v.pointer}", v.detail, v.hint) for v in error.violations] or [
            Violation("/input", error.detail, error.hint)
        ]
    if template is not None:
        violations += open_cost("/input", template.cost) or _slow_mapping(trigger, template.cost)
    source = trigger.source
    if isinstance(source, PollSource):
        for name in ("items", "id", "cursor"):
            _path(getattr(source, name), f"/poll/{name}", violations)
    if isinstance(source, FunctionSource):
        _path(source.id, "/poll/id", violations)
    message_id = _path(source.id_path, "/webhook/id_path", violations) if isinstance(source, WebhookSource) else None
    clauses = {}
    if isinstance(source, CorrelationSource):
        clauses = {c.name: _clause(c, f"/when/of/{at}", violations) for at, c in enumerate(source.clauses)}
    gather = trigger.gather
    key = None if gather is None else _path(gather.key, "/when/key", violations)
    until = (
        None if gather is None or not isinstance(gather.rule, Collect) else _path(gather.rule.until, "/when/until", violations)
    )
    if violations:
        first = violations[0]
        raise TriggerInvalid(f"{first.pointer}: {first.detail}", hint=first.hint, violations=violations)
    return Ready(trigger, revision, conditions, template, keys, message_id, clauses, key, until)


def _slow_mapping(trigger: Trigger, cost: Cost) -> list[Violation]:
    """Of many events together: what could be refused for their size must be refused when it is written."""
    gather = trigger.gather
    if gather is None or isinstance(gather.rule, Throttle) or cost is Cost.NATIVE:
        return []
    hint = "Use paths and map, as in `${ .events | map(.data.id) }`, and calculate in the workflow."
    return [Violation("/input", "This expression is too slow for many events together.", hint)]


def _clause(clause: Clause, pointer: str, violations: list[Violation]) -> ReadyClause:
    conditions, wrong = compile_conditions(Wanted(None, clause.cesql, clause.filter, clause.match))
    violations += [replace(each, pointer=f"{pointer}{each.pointer}") for each in wrong]
    return ReadyClause(clause, conditions, _path(clause.key, f"{pointer}/key", violations))


def _path(text: str | None, pointer: str, violations: list[Violation]) -> Expression | None:
    """A jq path over what comes in."""
    if text is None:
        return None
    try:
        path = compile_condition(text, frozenset())
    except ExpressionInvalid as error:
        violations.append(Violation(pointer, error.detail, error.hint))
        return None
    violations += open_cost(pointer, path.cost)
    return path


def as_json(event: CloudEvent) -> dict[str, Json]:
    """The event as expressions see it: its attributes, and ``data``."""
    shown: dict[str, Json] = {"specversion": "1.0", "id": event.id, "source": event.source, "type": event.type}
    if event.subject is not None:
        shown["subject"] = event.subject
    if event.time is not None:
        shown["time"] = format_time(event.time)
    if event.datacontenttype is not None:
        shown["datacontenttype"] = event.datacontenttype
    if event.dataschema is not None:
        shown["dataschema"] = event.dataschema
    shown.update(event.extensions)
    if event.data is not ABSENT:
        shown["data"] = event.data
    return shown


def decide(ready: Ready, event: Mapping[str, Json], event_key: str, *, too_deep: bool = False) -> tuple[Decision, Start | None]:
    """Decide about an event of a trigger without a memory.

    Args:
        ready: The trigger.
        event: From :func:`as_json`.
        event_key: Names the event.
        too_deep: The chain of causes that the event ends is at its limit.

    Returns:
        The decision, and the run to start when it is ``STARTED``.
    """
    said = judge(ready, event, too_deep=too_deep)
    return start_alone(ready, event, event_key) if isinstance(said, Waiting) else (said, None)


def judge(
    ready: Ready, event: Mapping[str, Json], clauses: Sequence[str] = ("",), *, too_deep: bool = False
) -> Decision | Waiting:
    """What the conditions about the event itself say.

    Args:
        ready: The trigger.
        event: From :func:`as_json`.
        clauses: Those that listen to such an event.
        too_deep: The chain of causes that the event ends is at its limit.

    Returns:
        Why it starts nothing; or that it fits.
    """
    trigger = ready.trigger
    if not trigger.enabled:
        return decision_of(trigger, Outcome.DISABLED)
    if trigger.pause is not None:
        return decision_of(trigger, Outcome.PAUSED, trigger.pause.reason)
    if too_deep:
        return decision_of(trigger, Outcome.CHAIN_STOPPED, "The chain of events that led here is too long.")
    unfit = schema_complaint(ready.conditions, event)
    if unfit is not None:
        return decision_of(trigger, Outcome.SCHEMA_INVALID, unfit)
    try:
        unwanted = filter_complaint(ready.conditions, event, _variables(trigger))
        if unwanted is None and ready.clauses:
            clauses, unwanted = _fitting(ready, clauses, event)
        if unwanted is not None:
            return decision_of(trigger, Outcome.FILTERED, unwanted)
        return Waiting(ready, _group(ready, clauses[0], event), tuple(clauses))
    except Rejected as error:
        return decision_of(trigger, Outcome.FAILED, error.detail)


def start_alone(ready: Ready, event: Mapping[str, Json], event_key: str) -> tuple[Decision, Start | None]:
    """One run for one event that fits."""
    trigger = ready.trigger
    try:
        run_input = event.get("data") if ready.input is None else ready.input.evaluate(dict(event), _variables(trigger))
    except Rejected as error:
        return decision_of(trigger, Outcome.FAILED, error.detail), None
    run = run_id(trigger.id, event_key)
    return decision_of(trigger, Outcome.STARTED, run=run), Start(run, trigger, run_input)


def start_together(
    ready: Ready, gathering: str, group: str, why: str, events: Sequence[tuple[str, Mapping[str, Json]]]
) -> Start:
    """One run for several events.

    Args:
        ready: The trigger.
        gathering: Names what came together.
        group: What the events have in common.
        why: Why now.
        events: Each with the clause it is for, oldest first.

    Raises:
        Rejected: The mapping failed on these events.
    """
    told = [
        (clause, event) for clause, event in events if not _ends(ready, clause)
    ]  # what ends the collecting is not collected
    run_input: dict[str, Json] = {"key": group, "why": why, "events": [dict(event) for _, event in told]}
    if ready.clauses:
        run_input["clauses"] = [clause for clause, _ in told]
    if ready.input is not None:
        by: dict[str, Json] = {name: [dict(event) for clause, event in events if clause == name] for name in ready.clauses}
        mapped = ready.input.evaluate({**run_input, "by": by}, _variables(ready.trigger))
        return Start(run_id(ready.trigger.id, gathering), ready.trigger, mapped)
    return Start(run_id(ready.trigger.id, gathering), ready.trigger, run_input)


def _ends(ready: Ready, clause: str) -> bool:
    known = ready.clauses.get(clause)
    return known is not None and known.clause.role is Role.END


def is_enough(ready: Ready, events: Sequence[Mapping[str, Json]]) -> bool:
    """Whether these events are what a trigger's ``until`` waits for.

    Raises:
        Rejected: The condition failed on them.
    """
    return ready.until is not None and truthy(ready.until.evaluate([dict(event) for event in events], {}))


def _variables(trigger: Trigger) -> dict[str, Json]:
    return {"trigger": {"namespace": trigger.namespace, "name": trigger.name}}


def _fitting(ready: Ready, clauses: Sequence[str], event: Mapping[str, Json]) -> tuple[Sequence[str], str | None]:
    """Which of these clauses the event fits; or why none."""
    found, complaint = [], "No clause listens to it."
    for name in clauses:
        unwanted = filter_complaint(ready.clauses[name].conditions, event, _variables(ready.trigger))
        if unwanted is None:
            found.append(name)
        else:
            complaint = f"Clause {name}: {unwanted}"
    return found, None if found else complaint


def _group(ready: Ready, clause: str, event: Mapping[str, Json]) -> str:
    """What an event has in common with others.

    Raises:
        Rejected: It is nothing by which groups could be told apart.
    """
    own = ready.clauses.get(clause)
    path = ready.key if own is None or own.key is None else own.key
    if path is None:
        return ""
    value = path.evaluate(dict(event), {})
    several = value if isinstance(value, list) and value else [value]
    if any(isinstance(part, bool) or not isinstance(part, str | int | float) for part in several):
        raise Invalid(f"The key of a group is text or a number, or a list of them; {path.text} gives {str(value)[:64]}.")
    text = orjson.dumps(value).decode() if isinstance(value, list) else str(value)
    if not 1 <= len(text) <= KEY_LIMIT:
        raise Invalid(f"The key of a group has 1 to {KEY_LIMIT} characters; {path.text} gives {len(text)}.")
    return text


def decision_of(
    trigger: Trigger, outcome: Outcome, reason: str | None = None, run: str | None = None, group: str | None = None
) -> Decision:
    """A decision of this trigger."""
    told = None if reason is None else reason[:500]
    return Decision(trigger.id, trigger.name, trigger.kind.value, trigger.target.workflow, outcome, told, run, group)
