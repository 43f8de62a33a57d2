"""Who is on call: rotations of people over local days, in layers, with overrides.

Handover is a local time of day, so that it stays at nine o'clock when clocks change.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise

from tocsin.errors import Invalid, Violation
from tocsin.schedules.zones import zone
from tocsin_case.domain.calendars import Window, clock_change, known_zone

DAY = timedelta(days=1)
SHIFTS = 1000  # shown at most
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """People who take turns.

    Attributes:
        participants: In order.
        start: The local day of the first turn.
        handover: Minute of the local day at which turns change.
        days: Length of a turn.
        windows: When the layer counts; always when there are none.
    """

    participants: tuple[str, ...]
    start: date
    handover: int = 9 * 60
    days: int = 7
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Somebody else, for some time."""

    who: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Who is on call.

    Attributes:
        namespace: Where it is.
        name: Its name there.
        timezone: IANA name.
        layers: The last one that covers an instant counts.
        overrides: Count before every layer; the last one before the others.
    """

    namespace: str
    name: str
    timezone: str = "UTC"
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Shift:
    """Who is on call from when to when; ``None`` for nobody."""

    start: datetime
    end: datetime
    who: str | None


def on_call(rotation: Rotation, at: datetime) -> str | None:
    """Who is on call at an instant."""
    for override in reversed(rotation.overrides):
        if override.start <= at < override.end:
            return override.who
    place = zone(rotation.timezone)
    local = at.astimezone(place)
    minute = local.hour * 60 + local.minute
    for layer in reversed(rotation.layers):
        if layer.windows and not any(w.weekday == local.weekday() and w.start <= minute < w.end for w in layer.windows):
            continue
        # By instants and not by the time of day: in an hour that exists twice a turn would come back.
        day = local.date() if _instant(local.date(), layer.handover, place) <= at else local.date() - DAY
        if day >= layer.start and layer.participants:
            return layer.participants[(day - layer.start).days // layer.days % len(layer.participants)]
    return None


def shifts(rotation: Rotation, since: datetime, until: datetime) -> list[Shift]:
    """Who is on call between two instants, in order and without gaps.

    Raises:
        Invalid: The time is longer than a year.
    """
    if until - since > LONGEST:
        raise Invalid("at most a year can be looked at")
    edges = sorted({since, until, *(edge for edge in _edges(rotation, since, until) if since < edge < until)})
    found: list[Shift] = []
    for start, end in pairwise(edges):
        who = on_call(rotation, start)
        if found and found[-1].who == who:
            found[-1] = Shift(found[-1].start, end, who)
        else:
            found.append(Shift(start, end, who))
    return found[:SHIFTS]


def checked_rotation(rotation: Rotation) -> Rotation:
    """A rotation as it may be stored.

    Raises:
        Invalid: No layer, a layer without people, an override that ends before it begins, no such zone.
    """
    known_zone(rotation.timezone)
    wrong = [
        Violation(f"/layers/{n}/participants", "nobody takes turns")
        for n, one in enumerate(rotation.layers)
        if not one.participants
    ]
    if not rotation.layers:
        wrong.append(Violation("/layers", "a rotation has at least one layer"))
    wrong += [
        Violation(f"/overrides/{n}/end", "it ends before it begins")
        for n, one in enumerate(rotation.overrides)
        if one.end <= one.start
    ]
    wrong += [
        Violation(f"/layers/{n}/windows/{m}/end", "it ends before it begins", "Write two: until 1440, and from 0 the next day.")
        for n, one in enumerate(rotation.layers)
        for m, window in enumerate(one.windows)
        if window.end <= window.start
    ]
    if wrong:
        raise Invalid(f"rotation {rotation.name} cannot work: {wrong[0].detail}", violations=wrong)
    return rotation


def _edges(rotation: Rotation, since: datetime, until: datetime) -> Iterable[datetime]:
    """Every instant at which somebody else may be on call."""
    for override in rotation.overrides:
        yield override.start
        yield override.end
    place = zone(rotation.timezone)
    minutes = {layer.handover for layer in rotation.layers}
    minutes |= {edge for layer in rotation.layers for window in layer.windows for edge in (window.start, window.end)}
    day, last = since.astimezone(place).date() - DAY, until.astimezone(place).date() + DAY
    while day <= last:
        for minute in minutes:
            yield _instant(day, minute, place)
            yield _instant(day, minute, place, fold=1)
        yield from clock_change(day, place)
        day += DAY


def _instant(day: date, minute: int, place: tzinfo, *, fold: int = 0) -> datetime:
    """The instant of a local time; of one that does not exist, as much later as the clocks jump."""
    return (datetime.combine(day, time()) + timedelta(minutes=minute)).replace(tzinfo=place, fold=fold).astimezone(UTC)
