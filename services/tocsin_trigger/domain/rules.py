"""Conditions with a memory as they are written: values only; :mod:`tocsin_trigger.domain.gathering` moves groups."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

MOST_HELD: Final = 1000  # events in one group
MOST_BYTES: Final = 160 * 1024  # of the events of one group: with what is around them they fit a command (256 KiB)
LONGEST: Final = timedelta(days=7)  # any window


@dataclass(frozen=True, slots=True)
class Correlate:
    """Fire when events of ``need`` different clauses lie within the window; then begin anew.

    Attributes:
        need: Of the clauses.
        within: The window.
    """

    need: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Threshold:
    """Fire when ``count`` events lie within the window, with all of them; then begin anew.

    Attributes:
        count: Events, at least 2.
        within: The window.
    """

    count: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Absence:
    """Fire, once, when the expected event does not come in time.

    Without an ``AFTER`` clause each event starts the clock anew: what has never come is not missed, and what stays away is
    missed once until it comes again.

    Attributes:
        within: The time it has.
    """

    within: timedelta


@dataclass(frozen=True, slots=True)
class Debounce:
    """Fire with all events when none has come for a while.

    Attributes:
        quiet: So long.
        at_most: But at the latest so long after the first; ``None``: however long it takes.
    """

    quiet: timedelta
    at_most: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """One run for each event, but no more than ``runs`` within any ``per``.

    Attributes:
        runs: How many.
        per: In so long.
        hold: Whether further events wait for their turn; otherwise they start nothing.
    """

    runs: int
    per: timedelta
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """One run for several events, with all of them.

    Attributes:
        most: Events in a run.
        within: At the latest so long after the first.
    """

    most: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Collect:
    """Hold events until something says that it is enough, then fire with all of them.

    Attributes:
        within: How long an event is held at most; then it lapses.
        ends: Names of the clauses that say so.
        need: How many of these must have come.
        until: jq condition over the list of events so far that says so, or ``None``.
    """

    within: timedelta
    ends: tuple[str, ...] = ()
    need: int = 1
    until: str | None = None


Rule: TypeAlias = Correlate | Threshold | Absence | Debounce | Throttle | Batch | Collect


@dataclass(frozen=True, slots=True)
class Gather:
    """A trigger's condition with a memory.

    Attributes:
        rule: The condition.
        key: jq path to what the events of one group have in common; ``None``: all events are one group.
    """

    rule: Rule
    key: str | None = None
