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

_BYTES: Final = 16
_PIECE: Final = (1 << 30) - 1

# Crockford's base 32 in lower case, as tocsin_kit.chance uses it; two characters a look-up.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)


class CausationTooDeep(Rejected):
    """The chain of events that caused this is too long; it probably feeds itself."""

    code = "causation_too_deep"
    status = 422


def derive(*parts: str | int) -> str:
    """26 lower-case characters that are a function of ``parts`` and of nothing else (128 bits of BLAKE2b).

    Parts do not run into each other: ``derive("a", "bc")`` differs from ``derive("ab", "c")``.
    """
    return _text(hashlib.blake2b(_joined(parts).encode(), digest_size=_BYTES).digest())


class Numbered:
    """:func:`derive` of the same parts and one number after another, at a third of the cost.

    Args:
        parts: What all ids have in common; the number comes last.
    """

    __slots__ = ("_begun",)

    def __init__(self, *parts: str | int) -> None:
        self._begun = hashlib.blake2b(f"{_joined(parts)}\x00".encode(), digest_size=_BYTES)

    def derive(self, number: int) -> str:
        """``derive(*parts, number)``."""
        hashed = self._begun.copy()
        hashed.update(b"#%d" % number)
        return _text(hashed.digest())


def _joined(parts: tuple[str | int, ...]) -> str:
    return "\x00".join([f"{len(part)}:{part}" if isinstance(part, str) else f"#{part}" for part in parts])


def _text(digest: bytes) -> str:
    """128 bits as 26 characters; in four pieces of at most 30 bits, because arithmetic beyond 64 bits is slow."""
    number, p = int.from_bytes(digest, "big"), _PAIRS
    a, b, c, d = number >> 90, number >> 60 & _PIECE, number >> 30 & _PIECE, number & _PIECE
    return (
        f"{p[a >> 30]}{p[a >> 20 & 1023]}{p[a >> 10 & 1023]}{p[a & 1023]}"
        f"{p[b >> 20]}{p[b >> 10 & 1023]}{p[b & 1023]}"
        f"{p[c >> 20]}{p[c >> 10 & 1023]}{p[c & 1023]}"
        f"{p[d >> 20]}{p[d >> 10 & 1023]}{p[d & 1023]}"
    )


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
