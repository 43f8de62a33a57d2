"""Conditions with a memory: what becomes of an event that a trigger holds until others come, or until time has passed.

One group holds what has come for one trigger and one key. Two functions move it: :func:`take` when an event comes, and
:func:`elapse` when time has passed. Both are pure, and time is that of the events: looking later, or more often, decides the
same. Each event is told one fate when it comes; if it is held, it leaves its group in exactly one :class:`Ending`.

Windows are half open: an event at the very end of a window is outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias, assert_never

from tocsin_trigger.domain.sources import Role

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


Rule: TypeAlias = Correlate | Threshold | Absence | Debounce | Throttle | Batch


@dataclass(frozen=True, slots=True)
class Gather:
    """A trigger's condition with a memory.

    Attributes:
        rule: The condition.
        key: jq path to what the events of one group have in common; ``None``: all events are one group.
    """

    rule: Rule
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """An event in a group.

    Attributes:
        event: Its key.
        at: When it came.
        size: Bytes.
        clause: Which clause it is for; empty for a trigger without clauses.
    """

    event: str
    at: datetime
    size: int = 0
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """What a trigger remembers for one key.

    Attributes:
        held: Events, oldest first.
        fired: When a throttle let events pass, as far as it still counts.
        at: The latest time it has seen.
    """

    held: tuple[Held, ...] = ()
    fired: tuple[datetime, ...] = ()
    at: datetime | None = None


class Fate(Enum):
    """What becomes of an event as it comes."""

    #: It waits in the group.
    HELD = "held"
    #: It completed the group, or passed; a run starts.
    FIRED = "fired"
    #: There were too many.
    LIMITED = "limited"
    #: It was expected, and set the clock anew.
    NOTED = "noted"
    #: It ended the waiting of what was held.
    CLEARED = "cleared"
    #: Nothing waited for it.
    NOT_AWAITED = "not_awaited"


class End(Enum):
    """How held events leave their group."""

    FIRED = "fired"
    LAPSED = "lapsed"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Ending:
    """Events that left a group together.

    Attributes:
        end: How.
        held: They.
        at: When.
        why: In words.
    """

    end: End
    held: tuple[Held, ...]
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What an event did.

    Attributes:
        group: The group after it.
        fate: What becomes of the event.
        why: In words.
        endings: What left the group, in order; the last one has the event in it when it fired a group.
    """

    group: Group
    fate: Fate
    why: str
    endings: tuple[Ending, ...]


def take(rule: Rule, group: Group, arrival: Held, role: Role = Role.PART) -> Taken:
    """An event comes.

    Args:
        rule: Of the trigger.
        group: What it remembers for the event's key.
        arrival: The event; one that comes out of order counts as coming now.
        role: Of its clause.
    """
    now = arrival.at if group.at is None else max(arrival.at, group.at)
    moved, endings = elapse(rule, group, now)
    came = replace(arrival, at=now)
    match rule:
        case Batch() | Debounce():
            taken = _gather(rule, moved, came)
        case Threshold():
            taken = _slide(moved, came, rule.count, distinct=False)
        case Correlate():
            taken = _clear(moved, came) if role is Role.RESET else _slide(moved, came, rule.need, distinct=True)
        case Absence():
            taken = _await(moved, came, role)
        case Throttle():
            taken = _pass(rule, moved, came)
        case _:
            assert_never(rule)
    return replace(taken, endings=(*endings, *taken.endings))


def elapse(rule: Rule, group: Group, now: datetime) -> tuple[Group, tuple[Ending, ...]]:
    """Time passes, up to ``now``; as often and as late as anybody likes."""
    endings: list[Ending] = []
    while (due := due_of(rule, group)) is not None and due <= now:
        group, ending = _fall_due(rule, group, due)
        endings.append(ending)
    latest = now if group.at is None else max(now, group.at)
    return replace(group, at=latest), tuple(endings)


def due_of(rule: Rule, group: Group) -> datetime | None:
    """When time alone changes the group next."""
    if not group.held:
        return None
    first = group.held[0].at
    match rule:
        case Correlate() | Threshold() | Absence() | Batch():
            return first + rule.within
        case Debounce():
            quiet = group.held[-1].at + rule.quiet
            return quiet if rule.at_most is None else min(quiet, first + rule.at_most)
        case Throttle():
            live = _live(rule, group, group.at or first)
            return live[-rule.runs] + rule.per if len(live) >= rule.runs else (group.at or first)
        case _:
            assert_never(rule)


def longest_wait(rule: Rule) -> timedelta:
    """How long an event may be held, as far as the rule says; a throttle's queue and a debounce without an end say nothing."""
    match rule:
        case Correlate() | Threshold() | Absence() | Batch():
            return rule.within
        case Debounce():
            return max(rule.quiet, rule.at_most or rule.quiet)
        case Throttle():
            return rule.per
        case _:
            assert_never(rule)


def _fall_due(rule: Rule, group: Group, due: datetime) -> tuple[Group, Ending]:
    match rule:
        case Correlate() | Threshold():
            gone = tuple(held for held in group.held if held.at + rule.within <= due)
            ending = Ending(End.LAPSED, gone, due, f"what was missing did not come within {words(rule.within)}")
            return replace(group, held=group.held[len(gone) :], at=due), ending
        case Throttle():
            fired = (*_live(rule, group, due), due)
            ending = Ending(End.FIRED, group.held[:1], due, "its turn came")
            return replace(group, held=group.held[1:], fired=fired, at=due), ending
        case Absence():
            why = f"what was expected did not come within {words(rule.within)}"
        case Debounce():
            quiet = due == group.held[-1].at + rule.quiet
            why = f"it was quiet for {words(rule.quiet)}" if quiet else f"the first had waited for {words(rule.at_most)}"
        case Batch():
            why = f"the first had waited for {words(rule.within)}"
        case _:
            assert_never(rule)
    return replace(group, held=(), at=due), Ending(End.FIRED, group.held, due, why)


def _gather(rule: Batch | Debounce, group: Group, came: Held) -> Taken:
    endings: list[Ending] = []
    if group.held and _size(group.held) + came.size > MOST_BYTES:
        endings.append(Ending(End.FIRED, group.held, came.at, f"another would be above {MOST_BYTES} bytes"))
        group = replace(group, held=())
    held = (*group.held, came)
    most = min(rule.most, MOST_HELD) if isinstance(rule, Batch) else MOST_HELD
    if len(held) < most:
        return Taken(replace(group, held=held), Fate.HELD, f"it waits with {len(held) - 1} others", tuple(endings))
    endings.append(Ending(End.FIRED, held, came.at, f"there were {len(held)}"))
    return Taken(replace(group, held=()), Fate.FIRED, f"it was the last of {len(held)}", tuple(endings))


def _slide(group: Group, came: Held, need: int, *, distinct: bool) -> Taken:
    held, endings = (*group.held, came), []
    gone = 0
    while len(held) - gone > 1 and (len(held) - gone > MOST_HELD or _size(held[gone:]) > MOST_BYTES):
        gone += 1
    if gone:
        endings.append(Ending(End.LAPSED, held[:gone], came.at, "there was no room for more events"))
        held = held[gone:]
    have = len({each.clause for each in held}) if distinct else len(held)
    if have < need:
        return Taken(replace(group, held=held), Fate.HELD, f"{have} of {need} have come", tuple(endings))
    endings.append(Ending(End.FIRED, held, came.at, f"{have} of {need} have come"))
    return Taken(replace(group, held=()), Fate.FIRED, f"it was the last of {need}", tuple(endings))


def _clear(group: Group, came: Held) -> Taken:
    if not group.held:
        return Taken(group, Fate.NOT_AWAITED, "nothing waited for it", ())
    ending = Ending(End.CLEARED, group.held, came.at, f"event {came.event} ended the waiting")
    return Taken(replace(group, held=()), Fate.CLEARED, f"it ended the waiting of {len(group.held)} events", (ending,))


def _await(group: Group, came: Held, role: Role) -> Taken:
    if role is Role.EXPECTED:
        return _clear(group, came)
    if role is not Role.AFTER:
        return Taken(replace(group, held=(came,)), Fate.NOTED, "the time until the next one begins", ())
    if len(group.held) >= MOST_HELD or _size(group.held) + came.size > MOST_BYTES:
        return Taken(group, Fate.LIMITED, "there was no room for more events", ())
    held = (*group.held, came)  # the first one's deadline counts
    return Taken(replace(group, held=held), Fate.HELD, "another event is expected now", ())


def _pass(rule: Throttle, group: Group, came: Held) -> Taken:
    live = _live(rule, group, came.at)
    limit = f"{rule.runs} have passed within {words(rule.per)}"
    if not group.held and len(live) < rule.runs:
        return Taken(replace(group, fired=(*live, came.at)), Fate.FIRED, "it passed", ())
    if not rule.hold:
        return Taken(replace(group, fired=live), Fate.LIMITED, limit, ())
    if len(group.held) >= MOST_HELD:
        return Taken(replace(group, fired=live), Fate.LIMITED, f"{MOST_HELD} wait already", ())
    return Taken(replace(group, held=(*group.held, came), fired=live), Fate.HELD, f"{limit}; it waits for its turn", ())


def _live(rule: Throttle, group: Group, now: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in group.fired if at + rule.per > now)


def _size(held: Sequence[Held]) -> int:
    return sum(each.size for each in held)


def words(duration: timedelta | None) -> str:
    """A duration for a person."""
    seconds = 0.0 if duration is None else duration.total_seconds()
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"
