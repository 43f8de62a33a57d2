"""What people and programs may do on the bus, from what they may do at all.

``event:publish`` in a namespace lets them publish ``events.<namespace>.>``; ``signal:read`` lets them hear its signals live.
No JetStream API is open to them: whoever may create a push consumer chooses its delivery subject freely, and so could have
the server publish where they themselves may not. Gap-free reading is the signal API's business (``GET
/api/v1/signals/stream``), which resumes by id.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.signals import derive

_EVERYWHERE: Final = "*"


@dataclass(frozen=True, slots=True)
class BusAccess:
    """Subjects of one connection; all others are refused.

    Attributes:
        publish: May be published.
        subscribe: May be subscribed.
        publish_denied: Taken away from those again.
        subscribe_denied: The same.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    publish_denied: tuple[str, ...] = ()
    subscribe_denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection is.

    Attributes:
        server: Id of the NATS server (its public nkey).
        client: Number of the connection there; a server counts up and never uses one twice.
    """

    server: str
    client: int

    @property
    def key(self) -> str:
        """Unique, and fit for a subject."""
        return derive("bus-connection", self.server, str(self.client))


@dataclass(frozen=True, slots=True)
class BusConnection:
    """A connection that was let in, with what its credential was made from.

    Attributes:
        place: Where it is.
        subject: ``user:<name>`` or ``key:<id>``.
        holder: The person or service account behind it.
        session: Id of the login it came of.
        revision: Of the holder's record, as it was then.
        policy: Number of the roles and rules, as they were then.
        address: Of the client.
        ends_at: The server itself ends it then.
    """

    place: Place
    subject: str
    holder: str
    session: str
    revision: int
    policy: int
    address: str
    ends_at: datetime


def inbox_prefix(subject: str) -> str:
    """Where answers for this principal go; nobody else may listen there. A digest, because names may hold dots."""
    return f"_INBOX_{derive('inbox', subject)[:16]}"


def bus_access(
    subject: str,
    *,
    publishes_in: Iterable[str],
    reads_in: Iterable[str],
    publishes_not_in: Iterable[str] = (),
    reads_not_in: Iterable[str] = (),
) -> BusAccess:
    """The subjects for one principal.

    Args:
        subject: ``user:<name>`` or ``key:<id>``.
        publishes_in: Namespaces in which it holds ``event:publish`` (``*`` for all).
        reads_in: Namespaces in which it holds ``signal:read`` (``*`` for all).
        publishes_not_in: Namespaces that a deny rule takes away from ``*``.
        reads_not_in: The same.
    """
    publish = tuple(f"events.{namespace}.>" for namespace in _narrowed(publishes_in))
    # Signals of runs come from the executor's own stream and are heard live under its subjects.
    subscribe = tuple(f"signals.{namespace}.>" for namespace in _narrowed(reads_in))
    return BusAccess(
        publish,
        (f"{inbox_prefix(subject)}.>", *subscribe),
        tuple(f"events.{namespace}.>" for namespace in sorted(publishes_not_in)),
        tuple(f"signals.{namespace}.>" for namespace in sorted(reads_not_in)),
    )


def _narrowed(namespaces: Iterable[str]) -> list[str]:
    names = sorted(set(namespaces))
    return [_EVERYWHERE] if _EVERYWHERE in names else names
