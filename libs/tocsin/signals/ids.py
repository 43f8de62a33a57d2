"""Ids that are derived from their cause, and the chain of causes.

A redelivery derives the same id again, which is what makes every consumer able to be idempotent. Nothing here draws, nothing
reads a clock.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from tocsin.errors import Rejected
from tocsin.signals.envelope import Attribute, CloudEvent

DEPTH_LIMIT: Final = 24
"""Hops in a chain of causes. An event that starts a run whose event starts a run costs two hops a turn, so a chain that feeds
itself ends after twelve turns; with two events a turn that is 4,096 runs, still harmless."""

# Crockford's base 32 in lower case, as tocsin_kit.chance uses it; two characters a look-up.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))


class CausationTooDeep(Rejected):
    """The chain of events that caused this is too long; it probably feeds itself."""

    code = "causation_too_deep"
    status = 422


def derive(*parts: str | int) -> str:
    """26 lower-case characters that are a function of ``parts`` and of nothing else (128 bits of BLAKE2b).

    Parts do not run into each other: ``derive("a", "bc")`` differs from ``derive("ab", "c")``.
    """
    text = "\x00".join([f"{len(part)}:{part}" if isinstance(part, str) else f"#{part}" for part in parts])
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is about to happen; every signal and command says it.

    Attributes:
        id: Id of the event, command or request that causes it.
        correlation: The flow that all of it is part of: the id of its first event unless the sender named one.
        depth: Hops from the outside; 0 for what a person or a foreign program asked for.
        traceparent: W3C trace context, or ``None`` where nothing is traced.
    """

    id: str
    correlation: str
    depth: int = 0
    traceparent: str | None = None

    def attributes(self) -> dict[str, Attribute]:
        """The CloudEvents extensions that carry it."""
        carried: dict[str, Attribute] = {"correlationid": self.correlation, "causationid": self.id}
        if self.depth:
            carried["depth"] = self.depth
        if self.traceparent is not None:
            carried["traceparent"] = self.traceparent
        return carried


def root(cause_id: str, traceparent: str | None = None) -> Cause:
    """The beginning of a flow: a request, a clock's instant, a file that appeared."""
    return Cause(id=cause_id, correlation=cause_id, traceparent=traceparent)


def follow(event: CloudEvent, limit: int = DEPTH_LIMIT) -> Cause:
    """The cause that ``event`` is for what its receiver does about it: one hop deeper, in the same flow.

    Raises:
        CausationTooDeep: The hop would be beyond ``limit``.
    """
    depth = event.depth + 1
    if depth > limit:
        raise CausationTooDeep(
            f"{event.type} is {event.depth} hops from its origin, the limit is {limit}",
            hint="look for a workflow that publishes an event which starts it again",
            event=event.id,
            limit=limit,
        )
    return Cause(event.id, event.correlation_id or event.id, depth, event.traceparent)
