"""Conditions with a memory: what becomes of an event that a trigger holds until others come, or until time has passed.

One group holds what has come for one trigger and one key. Two functions move it: :func:`take` when an event comes, and
:func:`elapse` when time has passed. Both are pure, and time is that of the events: looking later, or more often, decides the
same. Each event is told one fate when it comes; if it is held, it leaves its group in exactly one :class:`Ending`.

Windows are half open: an event at the very end of a window is outside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeAlias, assert_never

from tocsin_trigger.domain.rules import (
    MOST_BYTES,
    MOST_HELD,
    Absence,
    Batch,
    Collect,
    Correlate,
    Debounce,
    Rule,
    Threshold,
    Throttle,
)
from tocsin_trigger.domain.sources import Role


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


Enough: TypeAlias = Callable[[Sequence[Held]], bool]


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


def never(_: Sequence[Held]) -> bool:
    """Nothing is ever enough."""
    return False


def take(rule: Rule, group: Group, arrival: Held, role: Role = Role.PART, enough: Enough = never) -> Taken:
    """An event comes.

    Args:
        rule: Of the trigger.
        group: What it remembers for the event's key.
        arrival: The event; one that comes out of order counts as coming now.
        role: Of its clause.
        enough: Whether these are what the rule's ``until`` waits for.

    Raises:
        Rejected: ``enough`` cannot say.
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
        case Collect():
            taken = _end(rule, moved, came) if role is Role.END else _collect(rule, moved, came, enough)
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
        case Correlate() | Threshold() | Absence() | Batch() | Collect():
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
        case Correlate() | Threshold() | Absence() | Batch() | Collect():
            return rule.within
        case Debounce():
            return max(rule.quiet, rule.at_most or rule.quiet)
        case Throttle():
            return rule.per
        case _:
            assert_never(rule)


def _fall_due(rule: Rule, group: Group, due: datetime) -> tuple[Group, Ending]:
    match rule:
        case Correlate() | Threshold() | Collect():
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


def _collect(rule: Collect, group: Group, came: Held, enough: Enough) -> Taken:
    held, endings = _with_room((*group.held, came), came.at)
    if not enough([each for each in held if each.clause not in rule.ends]):
        return Taken(replace(group, held=held), Fate.HELD, f"it waits with {len(held) - 1} others", endings)
    ending = Ending(End.FIRED, held, came.at, f"with {len(held)} events it was enough")
    return Taken(replace(group, held=()), Fate.FIRED, "with it it was enough", (*endings, ending))


def _end(rule: Collect, group: Group, came: Held) -> Taken:
    if all(each.clause in rule.ends for each in group.held):
        return Taken(group, Fate.NOT_AWAITED, "nothing waited for it", ())
    held, endings = _with_room((*group.held, came), came.at)
    have = len({each.clause for each in held if each.clause in rule.ends})
    why = f"{have} of {rule.need} that end the collecting have come"
    if have < rule.need:
        return Taken(replace(group, held=held), Fate.HELD, why, endings)
    return Taken(replace(group, held=()), Fate.FIRED, why, (*endings, Ending(End.FIRED, held, came.at, why)))


def _slide(group: Group, came: Held, need: int, *, distinct: bool) -> Taken:
    held, endings = _with_room((*group.held, came), came.at)
    have = len({each.clause for each in held}) if distinct else len(held)
    if have < need:
        return Taken(replace(group, held=held), Fate.HELD, f"{have} of {need} have come", endings)
    ending = Ending(End.FIRED, held, came.at, f"{have} of {need} have come")
    return Taken(replace(group, held=()), Fate.FIRED, f"it was the last of {need}", (*endings, ending))


def _with_room(held: tuple[Held, ...], now: datetime) -> tuple[tuple[Held, ...], tuple[Ending, ...]]:
    """The youngest that a group has room for, and the others as they lapse."""
    gone = 0
    while len(held) - gone > 1 and (len(held) - gone > MOST_HELD or _size(held[gone:]) > MOST_BYTES):
        gone += 1
    if not gone:
        return held, ()
    return held[gone:], (Ending(End.LAPSED, held[:gone], now, "there was no room for more events"),)


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
