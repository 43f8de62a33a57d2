"""What is said about triggers, events and decisions: signals, and the command that starts a run."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime

from tocsin.errors import Rejected
from tocsin.signals import DEPTH_LIMIT, CausationTooDeep, Cause, CloudEvent, follow, root
from tocsin.signals.catalogue.trigger import (
    DECISION_MADE,
    EVENT_ACCEPTED,
    EVENT_CHAIN_STOPPED,
    EVENT_REFUSED,
    GATHERING_REFUSED,
    EventRefused,
)
from tocsin.signals.changes import FieldChange
from tocsin.signals.kinds import Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.config import Secret
from tocsin_kit.store import Outgoing
from tocsin_kit.store.changes import changes
from tocsin_trigger.application.voice import ACTOR, Voice
from tocsin_trigger.domain.deciding import Start
from tocsin_trigger.domain.events import Decision, Outcome, Received, decision_id, gathering_id
from tocsin_trigger.domain.triggers import JwtScheme, Trigger, WebhookSource

_NOT_ASKED_FOR = frozenset({"id", "namespace", "name", "created", "updated"})
START = "io.tocsin.command.run.start.v1"


def cause_of(event: CloudEvent, key: str) -> tuple[Cause, bool]:
    """Why what an event leads to happens, and whether its chain of causes has come to its limit."""
    try:
        return follow(event), False
    except CausationTooDeep:
        return Cause(event.id, event.correlation_id or key, event.depth, event.traceparent), True


def accepted(
    received: Received, event: CloudEvent, cause: Cause, decided: Sequence[tuple[Decision, Start | None]]
) -> tuple[Received, list[Outgoing]]:
    """The record of an event with its decisions, and what is to be said about it.

    A start whose command would be too large, or has no form in JSON, is decided as failed instead.
    """
    voice = Voice(received.namespace, received.received, cause)
    told: dict[str, object] = {"event": event.id, "type": event.type}
    if received.trigger is not None:
        told["trigger"] = received.trigger
    told["size"] = received.size
    outbox = [voice.signal(EVENT_ACCEPTED, received.key, told)]
    if any(decision.outcome is Outcome.CHAIN_STOPPED for decision, _ in decided):
        stopped = {"event": event.id, "type": event.type, "depth": event.depth, "limit": DEPTH_LIMIT}
        outbox.append(voice.signal(EVENT_CHAIN_STOPPED, received.key, stopped, sequence=2))
    decisions = []
    for decision, start in decided:
        final = decision
        if start is not None:
            try:
                outbox.append(start_command(start, received.key, voice))
            except Rejected as error:
                final = replace(decision, outcome=Outcome.FAILED, reason=error.detail[:500], run=None)
        decisions.append(final)
        if final.outcome is Outcome.CROWDED:
            outbox.append(_not_held(final, received.key, voice))
        outbox.append(_decision(final, received.key, event.id, voice))
    return replace(received, decisions=tuple(decisions)), outbox


def _not_held(decision: Decision, key: str, voice: Voice) -> Outgoing:
    """No group of this id was ever there: nothing else is said about it."""
    told = {"trigger": decision.name, "key": decision.group or "", "outcome": "crowded", "events": 1}
    return voice.signal(
        GATHERING_REFUSED, gathering_id(decision.trigger, [key]), {**told, "reason": decision.reason or ""}, counted=False
    )


def refused(received: Received, traceparent: str | None) -> list[Outgoing]:
    """What is said about something that was refused."""
    payload = EventRefused(
        trigger=received.trigger, code=received.refused or "refused", reason=received.reason or "", event=received.id
    )
    return [_signal(EVENT_REFUSED, payload, received, 1, root(received.key, traceparent))]


def start_command(start: Start, key: str, voice: Voice) -> Outgoing:
    """The command that starts a run. Its id and the run's are derived, so that a repeat starts nothing twice.

    Raises:
        TooLarge: The run's input is above what a command carries.
        InvalidEvent: The run's input has no form in JSON.
    """
    trigger = start.trigger
    data = {
        "run": start.run,
        "namespace": trigger.namespace,
        "workflow": trigger.target.workflow,
        "version": trigger.target.version,
        "input": start.input,
        "labels": dict(trigger.labels),
        "trigger": {"kind": trigger.kind.value, "name": trigger.name, "event": key},
        "actor": ACTOR,
    }
    source = f"/namespaces/{trigger.namespace}/triggers/{trigger.name}"
    return voice.command(f"commands.executor.start.{start.run}", START, start.run, source, data)


def changes_of(before: Trigger | None, after: Trigger | None) -> list[FieldChange]:
    """What a write changes; of a webhook's keys their ids only."""
    return changes(_told(before), _told(after), without=_NOT_ASKED_FOR, flat={"source", "target", "source.scheme"})


def _told(trigger: Trigger | None) -> dict[str, object] | None:
    if trigger is None:
        return None
    told: dict[str, object] = {one.name: getattr(trigger, one.name) for one in fields(trigger)}
    source = trigger.source
    told["source"] = {one.name: getattr(source, one.name) for one in fields(source)} | {"kind": trigger.kind.value}
    if isinstance(source, WebhookSource):
        scheme = {one.name: getattr(source.scheme, one.name) for one in fields(source.scheme)}
        if isinstance(source.scheme, JwtScheme):
            scheme["keys"] = None if source.scheme.keys is None else Secret(source.scheme.keys)  # may hold symmetric ones
        told["source.scheme"] = scheme | {"kind": type(source.scheme).__name__.removesuffix("Scheme").lower()}
        told["source"] = {**told["source"], "keys": [key.id for key in source.keys], "scheme": None}  # type: ignore[dict-item]
    return told


def change_of_trigger(
    kind: SignalType[Payload],
    payload: Payload,
    *,
    namespace: str,
    name: str,
    sequence: int,
    time: datetime,
    cause: Cause,
    actor: str,
) -> Outgoing:
    """The signal about a trigger itself."""
    event = make_signal(
        kind, namespace=namespace, entity_id=name, sequence=sequence, time=time, payload=payload, cause=cause, actor=actor
    )
    return Outgoing.of(subject_of(event), event)


def _decision(decision: Decision, key: str, event_id: str, voice: Voice) -> Outgoing:
    told: dict[str, object] = {"event": event_id, "trigger": decision.name, "outcome": decision.outcome.value}
    if decision.reason is not None:
        told["reason"] = decision.reason
    if decision.run is not None:
        told["run"] = decision.run
    return voice.signal(DECISION_MADE, decision_id(decision.trigger, key), told, counted=False)


def _signal(kind: SignalType[Payload], payload: Payload, received: Received, sequence: int, cause: Cause) -> Outgoing:
    event = make_signal(
        kind,
        namespace=received.namespace,
        entity_id=received.key,
        sequence=sequence,
        time=received.received,
        payload=payload,
        cause=cause,
        actor=ACTOR,
    )
    return Outgoing.of(subject_of(event), event)
