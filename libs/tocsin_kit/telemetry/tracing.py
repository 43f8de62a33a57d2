"""Traces through HTTP, bus and workers, as W3C ``traceparent`` strings; recorded only where an OTLP endpoint is configured.

The string is all that crosses a boundary: a header, a CloudEvents attribute, a field of a dispatch. Without a recorder a span
costs two context variable writes and hands the caller's ``traceparent`` on unchanged, so that a trace that passes through us
stays whole. The OpenTelemetry SDK is loaded only when it is needed.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from tocsin_kit.chance import Chance, SystemChance

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
Attribute = str | int | float | bool

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_CHANCE: Final = SystemChance()


@dataclass(frozen=True, slots=True)
class SpanContext:
    """A parsed ``traceparent``.

    Attributes:
        trace_id: 32 lower-case hexadecimal digits, not all zero.
        span_id: 16 of them.
        sampled: Whether the caller records.
    """

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def traceparent(self) -> str:
        """As it is sent."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


class RecordedSpan(Protocol):
    """A span of a recorder."""

    @property
    def traceparent(self) -> str:
        """What the next one is given as its parent."""
        ...

    def set(self, name: str, value: Attribute) -> None:
        """Add an attribute."""
        ...

    def fail(self, error: BaseException) -> None:
        """Mark it as failed."""
        ...

    def end(self) -> None:
        """Finish it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSpan:
    """A span of something that outlives every process that works on it; told as a whole when it is over.

    Attributes:
        name: What was done, constant.
        parent: What led to it.
        context: Its own, as :func:`lasting` made it.
        began: When.
        ended: When.
        attributes: Facts with bounded size; never a secret.
        error: Kind of the error that ended it, or ``None``.
    """

    name: str
    parent: SpanContext
    context: SpanContext
    began: datetime
    ended: datetime
    attributes: Mapping[str, Attribute]
    error: str | None = None


class Recorder(Protocol):
    """Where spans go."""

    def tell(self, past: PastSpan) -> None:
        """Record something that is over."""
        ...

    def start(self, name: str, kind: SpanKind, parent: SpanContext | None, attributes: dict[str, Attribute]) -> RecordedSpan:
        """Begin a span."""
        ...

    def stop(self) -> None:
        """Send what is left."""
        ...


class Span:
    """What a ``with span(...)`` block can do; everything is a no-op where nothing is recorded."""

    __slots__ = ("_recorded", "traceparent")

    def __init__(self, traceparent: str, recorded: RecordedSpan | None) -> None:
        self.traceparent = traceparent
        self._recorded = recorded

    def set(self, name: str, value: Attribute) -> None:
        """Add an attribute."""
        if self._recorded is not None:
            self._recorded.set(name, value)


_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_recorder: list[Recorder] = []  # at most one; a list, because a module has no other mutable place without `global`


def record_to(recorder: Recorder | None) -> None:
    """Record spans from now on (``None``: no longer)."""
    _recorder[:] = [] if recorder is None else [recorder]


def recording() -> bool:
    """Whether spans are recorded in this process."""
    return bool(_recorder)


def lasting(traceparent: str | None, identity: str) -> str | None:
    """The ``traceparent`` of something that outlives processes: its span id is a function of its identity, known to all.

    Whoever works on it can so be a child of a span that is told only when it is over. Where nothing is recorded, the
    ``traceparent`` itself: nobody may be the child of a span that does not come.
    """
    if not _recorder or (above := parse_traceparent(traceparent)) is None or not above.sampled:
        return traceparent
    return _of(above, identity).traceparent


def tell_lasting(
    name: str,
    traceparent: str | None,
    identity: str,
    *,
    began: datetime,
    ended: datetime,
    attributes: Mapping[str, Attribute],
    error: str | None = None,
) -> None:
    """Record something that is over; its children were begun with :func:`lasting` of the same arguments.

    Args:
        name: What was done, constant.
        traceparent: What led to it.
        identity: What its span id follows from.
        began: When.
        ended: When.
        attributes: Facts with bounded size; never a secret.
        error: Kind of the error that ended it.
    """
    if not _recorder or (above := parse_traceparent(traceparent)) is None or not above.sampled:
        return
    own = _of(above, identity)
    past = PastSpan(name=name, parent=above, context=own, began=began, ended=ended, attributes=attributes, error=error)
    _recorder[0].tell(past)


def _of(above: SpanContext, identity: str) -> SpanContext:
    """All who share a trace and an identity agree on it; eight bytes that are zero are no span id."""
    drawn = hashlib.blake2b(f"{above.trace_id}/{identity}".encode(), digest_size=8).hexdigest()
    return SpanContext(above.trace_id, drawn if drawn != "0" * 16 else "1".zfill(16), above.sampled)


def parse_traceparent(text: str | None) -> SpanContext | None:
    """The context in a ``traceparent``, or ``None`` when it is absent or not valid."""
    match = _TRACEPARENT.fullmatch(text) if text else None
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    if match[2] == "0" * 32 or match[3] == "0" * 16:
        return None
    return SpanContext(match[2], match[3], sampled=bool(int(match[4], 16) & 1))


def new_traceparent(chance: Chance = _CHANCE, *, sampled: bool = False) -> str:
    """The start of a new trace."""
    drawn = chance.token(24).hex()
    return f"00-{drawn[:32]}-{drawn[32:]}-{'01' if sampled else '00'}"


def current_traceparent() -> str | None:
    """What to send along now; ``None`` outside any span."""
    return _current.get()


def current_trace_id() -> str | None:
    """The trace id for logs; ``None`` outside any span."""
    traceparent = _current.get()
    return traceparent[3:35] if traceparent else None


@contextmanager
def span(name: str, *, parent: str | None = None, kind: SpanKind = "internal", **attributes: Attribute) -> Iterator[Span]:
    """Do something as part of a trace.

    Args:
        name: What is done, constant (``run.start``, ``GET /api/v1/runs/{id}``).
        parent: ``traceparent`` that came with the request or message; the enclosing span's where there is none or a broken one.
        kind: Its role at the boundary.
        attributes: Facts with bounded size; never a secret.
    """
    given = parent if parse_traceparent(parent) else _current.get()
    recorded: RecordedSpan | None = None
    if _recorder:
        recorded = _recorder[0].start(name, kind, parse_traceparent(given), dict(attributes))
        given = recorded.traceparent
    elif given is None:
        given = new_traceparent()
    token = _current.set(given)
    try:
        yield Span(given, recorded)
    except Exception as error:
        if recorded is not None:
            recorded.fail(error)
        raise
    finally:
        _current.reset(token)
        if recorded is not None:
            recorded.end()
