"""Who asks, and what is said about it: the two things that every use case carries along.

A signal about a write says what the write changes, for the audit trail; secrets are hidden, and what nobody asked for (times,
revisions of tokens) is left out.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, TypeVar

from tocsin.signals import Cause
from tocsin.signals.changes import Changed
from tocsin.signals.kinds import SYSTEM_NAMESPACE, Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.store import Entry, Outgoing
from tocsin_kit.store.changes import changes
from tocsin_kit.web.access import ANONYMOUS, Principal

P = TypeVar("P", bound=Payload)
T = TypeVar("T")

_HIDDEN: Final = frozenset({"second", "digest", "versions"})
_NOT_ASKED_FOR: Final = frozenset(
    {"floor", "session_floor", "secure_since", "created_at", "changed_at", "last_used_at", "name", "id", "scope"}
)


class _Untold(Enum):
    UNTOLD = 0


UNTOLD: Final = _Untold.UNTOLD


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
    to: T | _Untold | None = UNTOLD,
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
        to: What is stored in the same commit, ``None`` for a deletion: the signal says what that changes.
        nth: 1 for the first signal of the commit, 2 for the second.
        namespace: Of the entity, where it belongs to one.
        entity: What the signal calls it, where that is not its key; always the same for one key.
    """
    if to is not UNTOLD and isinstance(payload, Changed):
        found = changes(entry.value, to, hidden=_HIDDEN, without=_NOT_ASKED_FOR)
        payload = payload.model_copy(update={"changes": found})
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
