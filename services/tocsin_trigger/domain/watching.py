"""What is known about something that a trigger looks at again and again: how far it was read, when it is next, who looks."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tocsin.expressions import Json
from tocsin.signals import derive
from tocsin_trigger.domain.sources import OnceSource, WatchedSource
from tocsin_trigger.domain.triggers import Trigger

LEASE: Final = timedelta(minutes=2)  # one look may take so long; then another replica may begin
_SLOWEST: Final = timedelta(minutes=10)  # between two looks at something that only fails


@dataclass(frozen=True, slots=True)
class Item:
    """Something that was found.

    Attributes:
        id: The same thing has the same id, however often it is found.
        data: What the event says.
        time: When it happened, as far as the source says.
    """

    id: str
    data: Json
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes:
        items: New things, as far as the cursor tells; the ids tell for sure.
        cursor: Where the next look begins.
        more: Whether to look again at once.
    """

    items: tuple[Item, ...]
    cursor: Json
    more: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """The state of one watched trigger.

    Attributes:
        trigger: Its id.
        of: Fingerprint of the source that the cursor belongs to.
        due: When to look next; ``None`` for never again.
        cursor: Where the next look begins.
        holder: Who looks now, or ``None``.
        until: How long nobody else may.
        looked: When somebody looked last.
        failures: In a row.
        error: Of the last look, or ``None``.
    """

    trigger: str
    of: str
    due: datetime | None
    cursor: Json = None
    holder: str | None = None
    until: datetime | None = None
    looked: datetime | None = None
    failures: int = 0
    error: str | None = None


def begin(trigger: Trigger, source: WatchedSource, now: datetime) -> Watch:
    """A source that nobody has looked at yet."""
    return Watch(trigger.id, fingerprint(source), max(source.at, now) if isinstance(source, OnceSource) else now)


def fingerprint(source: WatchedSource) -> str:
    """Differs when a cursor would mean something else."""
    return derive("source", repr(source))


def claim(watch: Watch, holder: str, now: datetime) -> Watch | None:
    """Take it, if it is due and nobody else has it."""
    if watch.due is None or watch.due > now or (watch.until is not None and watch.until > now):
        return None
    return replace(watch, holder=holder, until=now + LEASE)


def went_well(watch: Watch, source: WatchedSource, look: Look, now: datetime) -> Watch:
    """After a look."""
    due = None if isinstance(source, OnceSource) else now if look.more else now + source.every
    return replace(watch, due=due, cursor=look.cursor, holder=None, until=None, looked=now, failures=0, error=None)


def went_wrong(watch: Watch, source: WatchedSource, error: str, now: datetime) -> Watch:
    """After a look that failed: the cursor stays, the pause grows."""
    every = timedelta(seconds=1) if isinstance(source, OnceSource) else source.every
    pause = min(max(every, timedelta(seconds=1)) * (1 << min(watch.failures, 10)), max(_SLOWEST, every))
    failures = watch.failures + 1
    return replace(watch, due=now + pause, holder=None, until=None, looked=now, failures=failures, error=error[:500])
