"""Which signals belong into the audit trail, and what a record of it says.

Everything somebody asked for, and every refusal. A record holds the signal as the text that was published, because only the
very bytes can be proven; what people search by stands beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from tocsin.errors import TocsinError
from tocsin.signals import CloudEvent, decode
from tocsin.signals.audit_chain import Body, canonical, digest_of, link
from tocsin.signals.codec import format_time
from tocsin.signals.subjects import SignalSubject, parse_signal

ACTOR_MARK: Final = b'"authid"'  # a signal that does not even hold these bytes has no actor; saves reading it
_ALWAYS: Final = frozenset({"login", "bus-login", "request", "secret", "webhook-call"})  # of interest with or without an actor
_REFUSALS: Final = frozenset({"refused", "failed", "denied", "locked", "rejected"})
# What a run does names who started it, but nobody did it: the start is in the trail, and so is every request about the run.
_CONSEQUENCES: Final = frozenset(
    ("run", one) for one in ("completed", "faulted", "status-changed", "correlation-started", "correlation-completed")
)
_SHOWN: Final = 512  # characters of what is taken out of a signal's data


@dataclass(frozen=True, slots=True)
class Heard:
    """A signal as it came from the stream.

    Attributes:
        position: Its stream sequence.
        stored: When the stream stored it.
        subject: Where it was published.
        payload: Its bytes.
    """

    position: int
    stored: datetime
    subject: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A sealed record.

    Attributes:
        number: Its place in the chain, from 1.
        hash: Of it and everything before it.
        digest: Of its body.
        stored: When the stream stored what it is about.
        body: What it says; ``None`` once its time to be kept is over.
    """

    number: int
    hash: bytes
    digest: bytes
    stored: datetime
    body: Body | None


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends.

    Attributes:
        chain: Its id.
        number: Of its last record; 0 when there is none.
        hash: Of its last record.
        position: How far the stream of signals has been read.
        sealed: The last number that a checkpoint covers.
    """

    chain: str
    number: int
    hash: bytes
    position: int
    sealed: int = 0


def wanted(heard: Heard) -> bool:
    """Whether a signal belongs into the audit trail; looks at as little of it as it can."""
    tokens = heard.subject.split(".", 4)
    if len(tokens) < 4 or tokens[2] in _ALWAYS or tokens[3] in _REFUSALS:
        return True
    return ACTOR_MARK in heard.payload and tokens[2] != "task" and (tokens[2], tokens[3]) not in _CONSEQUENCES


def body_of(heard: Heard) -> Body:
    """What the record of a signal says. One that cannot be read is recorded as it is: an audit does not look away."""
    base: dict[str, Any] = {
        "position": heard.position,
        "stored": format_time(heard.stored),
        "subject": heard.subject,
        "event": heard.payload.decode("utf-8", "backslashreplace"),
    }
    try:
        event, place = decode(heard.payload), parse_signal(heard.subject)
    except TocsinError as error:
        return {**base, "kind": "unreadable", "problem": error.detail[:_SHOWN]}
    return {**base, "kind": "signal", **_said(event, place)}


def _said(event: CloudEvent, place: SignalSubject) -> dict[str, Any]:
    data = event.payload if isinstance(event.payload, dict) else {}
    return {
        "namespace": place.namespace,
        "action": f"{place.entity}.{place.transition}",
        "id": place.id,
        "type": event.type,
        "time": format_time(event.time) if event.time else None,
        "actor": event.text("authid"),
        "outcome": "refused" if place.transition in _REFUSALS else "accepted",
        "permission": _text(data.get("permission")),
        "address": _text(data.get("address")),
        "request": _text(data.get("request")) or event.causation_id,
        "correlation": event.correlation_id,
        "sequence": event.sequence,
    }


def changes_of(body: Body) -> list[Any]:
    """What the write changed, field by field before and after, where its signal says so; secrets were hidden by who said it."""
    try:
        event = orjson.loads(str(body.get("event") or "null"))
    except orjson.JSONDecodeError:
        return []
    data = event.get("data") if isinstance(event, dict) else None
    changes = data.get("changes") if isinstance(data, dict) else None
    return changes if isinstance(changes, list) else []


def gap(first: int, last: int, stored: datetime, why: str) -> Body:
    """The record that says what could not be read: an audit with a hole that nobody mentions would be worse than none."""
    return {
        "kind": "gap",
        "position": last,
        "stored": format_time(stored),
        "first": first,
        "last": last,
        "problem": why,
        "action": "audit.gap",
        "namespace": "system",
        "outcome": "failed",
    }


def sealed(head: Head, bodies: Iterable[tuple[datetime, Body]]) -> tuple[list[Entry], Head]:
    """Records behind the end of a chain, and its new end (still at the same position)."""
    entries: list[Entry] = []
    number, previous = head.number, head.hash
    for stored, body in bodies:
        number += 1
        digest = digest_of(canonical(body))
        previous = link(previous, number, digest)
        entries.append(Entry(number, previous, digest, stored, body))
    return entries, Head(head.chain, number, previous, head.position, head.sealed)


def _text(value: object) -> str | None:
    return value[:_SHOWN] if isinstance(value, str) else None
