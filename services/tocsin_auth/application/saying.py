"""Who asks, and what is said about it: the two things that every use case carries along."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tocsin.signals import Cause
from tocsin.signals.kinds import SYSTEM_NAMESPACE, Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.store import Entry, Outgoing
from tocsin_kit.web.access import ANONYMOUS, Principal

P = TypeVar("P", bound=Payload)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf something is done.

    Attributes:
        cause: The request.
        principal: Who; anonymous for somebody who is just logging in.
        address: Where the request came from.
        agent: What the client calls itself.
    """

    cause: Cause
    principal: Principal = ANONYMOUS
    address: str = "unknown"
    agent: str = ""


def said(
    kind: SignalType[P],
    entry: Entry[T],
    payload: P,
    *,
    asker: Asker,
    now: datetime,
    actor: str | None = None,
    nth: int = 1,
    namespace: str = SYSTEM_NAMESPACE,
    entity: str | None = None,
) -> Outgoing:
    """A signal about the entity of ``entry``, numbered behind what was said before.

    Args:
        kind: From the catalogue.
        entry: As loaded.
        payload: Of the kind.
        asker: On whose behalf.
        now: When.
        actor: Who did it, where that is not the asker (a login).
        nth: 1 for the first signal of the commit, 2 for the second.
        namespace: Of the entity, where it belongs to one.
        entity: What the signal calls it, where that is not its key; always the same for one key.
    """
    subject = actor or (None if asker.principal.is_anonymous else asker.principal.subject)
    event = make_signal(
        kind,
        namespace=namespace,
        entity_id=entity or entry.key,
        sequence=entry.sequence + nth,
        time=now,
        payload=payload,
        cause=asker.cause,
        actor=subject,
    )
    return Outgoing.of(subject_of(event), event)
