"""The signals that leave with a change of what the observer keeps, numbered behind what was said of it before."""

from collections.abc import Sequence
from datetime import datetime

from tocsin.signals import Cause
from tocsin.signals.kinds import Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.store import Outgoing

Said = tuple[SignalType[Payload], Payload]


def announce(
    said: Sequence[Said], *, namespace: str, entity_id: str, after: int, now: datetime, cause: Cause, actor: str | None
) -> list[Outgoing]:
    """Signals ready for the outbox.

    Args:
        said: Kinds and payloads, in order.
        namespace: Of the entity.
        entity_id: Its id.
        after: Number of the last signal of the entity.
        now: When.
        cause: Why.
        actor: Who; ``None`` for the observer itself.
    """
    signals = [
        make_signal(
            kind,
            namespace=namespace,
            entity_id=entity_id,
            sequence=after + number,
            time=now,
            payload=payload,
            cause=cause,
            actor=actor,
        )
        for number, (kind, payload) in enumerate(said, start=1)
    ]
    return [Outgoing.of(subject_of(signal), signal) for signal in signals]
