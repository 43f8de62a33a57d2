"""A signal as the observer keeps it: found by what people ask for, shown exactly as it was said."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin.signals import CloudEvent, encode
from tocsin.signals.subjects import parse_signal


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


def record_of(
    event: CloudEvent,
    *,
    subject: str,
    position: int,
    stored: datetime,
    retention: timedelta,
    payload: bytes | None = None,
) -> SignalRecord:
    """What is kept of a signal.

    Args:
        event: The signal.
        subject: ``signals.<namespace>.<entity>.<transition>.<id>``.
        position: Its stream sequence.
        stored: When the stream stored it.
        retention: How long it is kept, from ``stored`` on.
        payload: Its bytes in structured form, if it came like that.

    Raises:
        InvalidSubject: The subject is not one of a signal.
    """
    place = parse_signal(subject)
    return SignalRecord(
        id=event.id,
        position=position,
        time=event.time or stored,
        type=event.type,
        namespace=place.namespace,
        entity=place.entity,
        transition=place.transition,
        entity_id=place.id,
        actor=event.text("authid"),
        correlation=event.correlation_id,
        event=payload or encode(event),
        keep_until=stored + retention,
    )
