"""Events, groups and gatherings as MongoDB documents, and back; also what older versions wrote."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin_kit.store import Document
from tocsin_trigger.domain.events import Channel, Decision, Gathering, Outcome, Received
from tocsin_trigger.domain.gathering import Group, Held
from tocsin_trigger.domain.grouping import Slot


def received_document(received: Received) -> Document:
    """An event as it is stored; what is empty is left out, because there are many."""
    document: Document = {
        "namespace": received.namespace,
        "channel": received.channel.value,
        "received": received.received,
        "id": received.id,
        "source": received.source,
        "type": received.type,
        "size": received.size,
    }
    optional = {
        "trigger": received.trigger,
        "refused": received.refused,
        "reason": received.reason,
        "suppressed": received.suppressed,
        "repeats": received.repeats,
        "replay_of": received.replay_of,
        "event": received.event,
    }
    document.update({name: value for name, value in optional.items() if value})
    if received.decisions:
        document["decisions"] = [_decision_document(decision) for decision in received.decisions]
    return document


def received_of(key: str, document: Mapping[str, Any]) -> Received:
    """The reverse."""
    received: datetime = document["received"]
    event = document.get("event")
    return Received(
        key=key,
        namespace=document["namespace"],
        channel=Channel(document["channel"]),
        received=received,
        id=document["id"],
        source=document["source"],
        type=document["type"],
        size=document["size"],
        trigger=document.get("trigger"),
        refused=document.get("refused"),
        reason=document.get("reason"),
        suppressed=document.get("suppressed", 0),
        repeats=document.get("repeats", 0),
        replay_of=document.get("replay_of"),
        decisions=tuple(_decision_of(d) for d in document.get("decisions", ())),
        event=None if event is None else bytes(event),
    )


def _decision_document(decision: Decision) -> Document:
    document: Document = {
        "trigger": decision.trigger,
        "name": decision.name,
        "kind": decision.kind,
        "workflow": decision.workflow,
        "outcome": decision.outcome.value,
    }
    if decision.reason is not None:
        document["reason"] = decision.reason
    if decision.run is not None:
        document["run"] = decision.run
    if decision.group is not None:
        document["group"] = decision.group
    if decision.refused is not None:
        document["refused"] = decision.refused
    return document


def _decision_of(document: Mapping[str, Any]) -> Decision:
    return Decision(
        trigger=document["trigger"],
        name=document["name"],
        kind=document["kind"],
        workflow=document["workflow"],
        outcome=Outcome(document["outcome"]),
        reason=document.get("reason"),
        run=document.get("run"),
        group=document.get("group"),
        refused=document.get("refused"),
    )


_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def gathering_document(gathering: Gathering) -> Document:
    """What became of events that were held."""
    return {
        "namespace": gathering.namespace,
        "trigger": gathering.trigger,
        "name": gathering.name,
        "workflow": gathering.workflow,
        "group": gathering.group,
        "outcome": gathering.outcome,
        "why": gathering.why,
        "opened": gathering.opened,
        "closed": gathering.closed,
        "events": list(gathering.events),
        "run": gathering.run,
        "refused": gathering.refused,
    }


def gathering_of(key: str, document: Mapping[str, Any]) -> Gathering:
    """The reverse."""
    return Gathering(
        key=key,
        namespace=document["namespace"],
        trigger=document["trigger"],
        name=document["name"],
        workflow=document["workflow"],
        group=document["group"],
        outcome=document["outcome"],
        why=document["why"],
        opened=document["opened"],
        closed=document["closed"],
        events=tuple(document["events"]),
        run=document["run"],
        refused=document.get("refused"),
    )


def slot_document(slot: Slot) -> Document:
    """What a trigger remembers about one key. Times of events are numbers: MongoDB's dates end at milliseconds."""
    state = slot.state
    return {
        "trigger": slot.trigger,
        "namespace": slot.namespace,
        "name": slot.name,
        "workflow": slot.workflow,
        "group": slot.group,
        "held": [{"e": held.event, "at": _stamp(held.at), "size": held.size, "clause": held.clause} for held in state.held],
        "fired": [_stamp(at) for at in state.fired],
        "at": None if state.at is None else _stamp(state.at),
        "due": slot.due,
        "touched": slot.touched,
        "direct": slot.direct,
    }


def slot_of(document: Mapping[str, Any]) -> Slot:
    """The reverse."""
    state = Group(
        held=tuple(Held(each["e"], _time(each["at"]), each["size"], each["clause"]) for each in document["held"]),
        fired=tuple(_time(at) for at in document["fired"]),
        at=None if document["at"] is None else _time(document["at"]),
    )
    named = (document["trigger"], document["namespace"], document["name"], document["workflow"], document["group"])
    return Slot(*named, state, document["due"], document["touched"], document["direct"])


def _stamp(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _time(stamp: int) -> datetime:
    return _EPOCH + stamp * _MICROSECOND
