"""When a binding holds: at which times, in which namespaces by what they are. Decided where a token is made.

A condition on time also says until when the answer stays the same, and a token lives no longer than that; so every service
decides by grants alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tocsin.errors import Invalid

_DAY: Final = timedelta(days=1)
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a week, in one time zone; the end is on the next day where it is not after the beginning.

    Attributes:
        days: ISO numbers, 1 for Monday; of the day on which the window begins.
        start: Local time.
        end: Local time.
        zone: IANA name.
    """

    days: tuple[int, ...]
    start: time
    end: time
    zone: str

    def at(self, now: datetime) -> tuple[bool, datetime]:
        """Whether it is open, and until when that does not change (at most a week and a bit)."""
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        edges: list[datetime] = []
        is_open = False
        for shift in range(-1, 9):
            day = today + shift * _DAY
            if day.isoweekday() not in self.days:
                continue
            begins = datetime.combine(day, self.start, zone)
            ends = datetime.combine(day if self.end > self.start else day + _DAY, self.end, zone)
            is_open = is_open or begins <= now < ends
            edges += [edge for edge in (begins, ends) if edge > now]
        return is_open, min(edges, default=now + _DAY)


@dataclass(frozen=True, slots=True)
class Condition:
    """All of it must hold; what is left out always does.

    Attributes:
        environments: Namespaces of one of these environments only.
        labels: Namespaces with all of these labels only.
        window: Within these hours only.
        not_before: From then on only.
        not_after: Until then only.
    """

    environments: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    window: Window | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None

    @property
    def is_about_namespaces(self) -> bool:
        """Whether it asks what a namespace is."""
        return bool(self.environments or self.labels)

    def timely(self, now: datetime) -> tuple[bool, datetime | None]:
        """Whether its times hold, and until when that does not change; ``None`` for ever."""
        holds, until = (True, None) if self.window is None else self.window.at(now)
        later = [until, *(edge for edge in (self.not_before, self.not_after) if edge is not None and edge > now)]
        holds = holds and (self.not_before is None or self.not_before <= now)
        holds = holds and (self.not_after is None or now < self.not_after)
        return holds, min((edge for edge in later if edge is not None), default=None)

    def fits(self, namespace: "NamespaceRules") -> bool:
        """Whether a namespace is one of those it is about."""
        right = not self.environments or namespace.environment in self.environments
        return right and all(namespace.labels.get(name) == value for name, value in self.labels.items())


@dataclass(frozen=True, slots=True)
class NamespaceRules:
    """What the auth service knows about a namespace.

    Attributes:
        name: Of the namespace.
        environment: Such as ``production``; empty when nobody said.
        labels: For conditions.
        protected: Publishing there takes a role bound to this very namespace, and nobody binds it to themselves.
        reviewed: Nobody publishes there alone: what one person proposes, another one publishes.
    """

    name: str
    environment: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False
    reviewed: bool = False

    @property
    def is_guarded(self) -> bool:
        """Whether what is published there takes two people in some way."""
        return self.protected or self.reviewed


def checked_window(days: tuple[int, ...], start: time, end: time, zone: str) -> Window:
    """A window as it may be stored.

    Raises:
        Invalid: It is never open, or nobody knows its time zone.
    """
    if not days or any(not 1 <= day <= 7 for day in days):
        raise Invalid("a window has days from 1 (Monday) to 7")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"{zone[:64]!r} is not a time zone", hint="for example Europe/Berlin or UTC") from error
    return Window(tuple(sorted(set(days))), start.replace(tzinfo=None), end.replace(tzinfo=None), zone)


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels as they may be stored.

    Raises:
        Invalid: A name or value that is none.
    """
    for name, value in labels.items():
        if not _LABEL.fullmatch(name) or not _LABEL.fullmatch(value):
            raise Invalid("labels are letters, digits and inner dots, dashes, slashes or underscores, at most 63")
    return dict(labels)
