"""What is said about triggers, events and decisions: signals, and the command that starts a run."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

from tocsin.errors import TooLarge
from tocsin.signals import DEPTH_LIMIT, CausationTooDeep, Cause, CloudEvent, Json, derive, follow, root, subjects
from tocsin.signals.catalogue.trigger import (
    DECISION_MADE,
    EVENT_ACCEPTED,
    EVENT_CHAIN_STOPPED,
    EVENT_REFUSED,
    ChainStopped,
    DecisionMade,
    EventAccepted,
    EventRefused,
)
from tocsin.signals.kinds import Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.store import Outgoing
from tocsin_trigger.domain.deciding import Start
from tocsin_trigger.domain.events import Decision, Outcome, Received, decision_id

ACTOR = "service:trigger"
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

    A start whose command would be too large is decided as failed instead.
    """
    payload = EventAccepted(event=event.id, type=event.type, trigger=received.trigger, size=received.size)
    outbox = [_signal(EVENT_ACCEPTED, payload, received, 1, cause)]
    if any(decision.outcome is Outcome.CHAIN_STOPPED for decision, _ in decided):
        stopped = ChainStopped(event=event.id, type=event.type, depth=event.depth, limit=DEPTH_LIMIT)
        outbox.append(_signal(EVENT_CHAIN_STOPPED, stopped, received, 2, cause))
    decisions = []
    for decision, start in decided:
        final = decision
        if start is not None:
            try:
                outbox.append(start_command(start, received, cause))
            except TooLarge as error:
                final = replace(decision, outcome=Outcome.FAILED, reason=error.detail, run=None)
        decisions.append(final)
        outbox.append(_decision(final, received, event, cause))
    return replace(received, decisions=tuple(decisions)), outbox


def refused(received: Received, traceparent: str | None) -> list[Outgoing]:
    """What is said about something that was refused."""
    payload = EventRefused(
        trigger=received.trigger, code=received.refused or "refused", reason=received.reason or "", event=received.id
    )
    return [_signal(EVENT_REFUSED, payload, received, 1, root(received.key, traceparent))]


def start_command(start: Start, received: Received, cause: Cause) -> Outgoing:
    """The command that starts a run. Its id and the run's are derived, so that a repeat starts nothing twice.

    Raises:
        TooLarge: The run's input is above what a command carries.
    """
    trigger = start.trigger
    event = CloudEvent(
        id=derive("command", start.run),
        source=f"/namespaces/{trigger.namespace}/triggers/{trigger.name}",
        type=START,
        subject=start.run,
        time=received.received,
        datacontenttype="application/json",
        data={
            "run": start.run,
            "namespace": trigger.namespace,
            "workflow": trigger.target.workflow,
            "version": trigger.target.version,
            "input": cast(Json, start.input),  # expressions share structure and say Mapping and Sequence
            "labels": dict(trigger.labels),
            "trigger": {"kind": trigger.kind.value, "name": trigger.name, "event": received.key},
            "actor": ACTOR,
        },
        extensions={"namespace": trigger.namespace, **cause.attributes()},
    )
    return Outgoing.of(subjects.command("executor", "start", start.run), event, counted=False)


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


def _decision(decision: Decision, received: Received, event: CloudEvent, cause: Cause) -> Outgoing:
    payload = DecisionMade(
        event=event.id, trigger=decision.name, outcome=decision.outcome.value, reason=decision.reason, run=decision.run
    )
    signal = make_signal(
        DECISION_MADE,
        namespace=received.namespace,
        entity_id=decision_id(decision.trigger, received.key),
        sequence=1,
        time=received.received,
        payload=payload,
        cause=cause,
        actor=ACTOR,
    )
    return Outgoing.of(subject_of(signal), signal, counted=False)


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
