"""A signal as the observer keeps it: found by what people ask for, shown exactly as it was said."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from tocsin.signals import decode
from tocsin.signals.subjects import parse_signal
from tocsin_observer.domain.audit import Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRecord:
    """One signal.

    Attributes:
        id: The signal's own id; a redelivery has the same.
        position: Its place in the stream of all signals, from 1.
        time: When it happened; when it was stored, if it does not say.
        type: CloudEvents type.
        namespace: From its subject on the bus, which is what permissions are checked against.
        entity: ``run``, ``task``, ``schedule`` ...
        transition: ``started``, ``fired`` ...
        entity_id: What it happened to.
        actor: ``user:ada``, ``service:scheduler``; ``None`` when nobody asked for it.
        correlation: The flow it is part of.
        event: The signal as structured CloudEvents JSON.
        keep_until: When retention may remove it.
    """

    id: str
    position: int
    time: datetime
    type: str
    namespace: str
    entity: str
    transition: str
    entity_id: str
    actor: str | None
    correlation: str | None
    event: bytes
    keep_until: datetime


def record_of(heard: Heard, *, retention: timedelta) -> SignalRecord:
    """What is kept of a signal, with as little reading as it takes: every signal of the platform comes by here.

    Args:
        heard: The signal.
        retention: How long it is kept, from when the stream stored it.

    Raises:
        InvalidSubject: Its subject is not one of a signal.
        InvalidEvent: It is no CloudEvent.
    """
    place = parse_signal(heard.subject)
    try:
        said = orjson.loads(heard.payload)
        id_, type_, time = said["id"], said["type"], said.get("time")
        actor, correlation = said.get("authid"), said.get("correlationid")
        at = heard.stored if time is None else datetime.fromisoformat(time)
        plain = isinstance(id_, str) and isinstance(type_, str) and at.tzinfo is not None
    except (ValueError, TypeError, KeyError, AttributeError):
        plain = False
    if not plain:  # says what is wrong with it, or that it is unusual only
        event = decode(heard.payload)
        id_, type_, at = event.id, event.type, event.time or heard.stored
        actor, correlation = event.text("authid"), event.correlation_id
    return SignalRecord(
        id=id_,
        position=heard.position,
        time=at,
        type=type_,
        namespace=place.namespace,
        entity=place.entity,
        transition=place.transition,
        entity_id=place.id,
        actor=actor if isinstance(actor, str) else None,
        correlation=correlation if isinstance(correlation, str) else None,
        event=heard.payload,
        keep_until=heard.stored + retention,
    )
