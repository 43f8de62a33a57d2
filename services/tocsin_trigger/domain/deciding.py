"""What one trigger decides about one event: a function of the two, so that deciding again decides the same."""

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.errors import Rejected, Violation
from tocsin.expressions import Expression, ExpressionInvalid, Json, Template, compile_condition, compile_template
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
from tocsin_trigger.domain.triggers import Trigger, WebhookSource


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
    """

    trigger: Trigger
    revision: int
    conditions: Conditions
    input: Template | None
    keys: tuple[tuple[str, bytes], ...] = ()
    message_id: Expression | None = None


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
        violations += open_cost("/input", template.cost)
    message_id = None
    if isinstance(trigger.source, WebhookSource) and trigger.source.id_path is not None:
        try:
            message_id = compile_condition(trigger.source.id_path, frozenset())
            violations += open_cost("/webhook/id_path", message_id.cost)
        except ExpressionInvalid as error:
            violations.append(Violation("/webhook/id_path", error.detail, error.hint))
    if violations:
        first = violations[0]
        raise TriggerInvalid(f"{first.pointer}: {first.detail}", hint=first.hint, violations=violations)
    return Ready(trigger, revision, conditions, template, keys, message_id)


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
    """Decide.

    Args:
        ready: The trigger.
        event: From :func:`as_json`.
        event_key: Names the event.
        too_deep: The chain of causes that the event ends is at its limit.

    Returns:
        The decision, and the run to start when it is ``STARTED``.
    """
    trigger = ready.trigger
    if not trigger.enabled:
        return _decision(trigger, Outcome.DISABLED), None
    if trigger.pause is not None:
        return _decision(trigger, Outcome.PAUSED, trigger.pause.reason), None
    if too_deep:
        return _decision(trigger, Outcome.CHAIN_STOPPED, "The chain of events that led here is too long."), None
    variables: dict[str, Json] = {"trigger": {"namespace": trigger.namespace, "name": trigger.name}}
    unfit = schema_complaint(ready.conditions, event)
    if unfit is not None:
        return _decision(trigger, Outcome.SCHEMA_INVALID, unfit), None
    try:
        unwanted = filter_complaint(ready.conditions, event, variables)
        if unwanted is not None:
            return _decision(trigger, Outcome.FILTERED, unwanted), None
        run_input = event.get("data") if ready.input is None else ready.input.evaluate(dict(event), variables)
    except Rejected as error:
        return _decision(trigger, Outcome.FAILED, error.detail), None
    run = run_id(trigger.id, event_key)
    return _decision(trigger, Outcome.STARTED, run=run), Start(run, trigger, run_input)


def _decision(trigger: Trigger, outcome: Outcome, reason: str | None = None, run: str | None = None) -> Decision:
    told = None if reason is None else reason[:500]
    return Decision(trigger.id, trigger.name, trigger.kind.value, trigger.target.workflow, outcome, told, run)
