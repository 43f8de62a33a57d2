"""Checks of assets: their latest results, and whether what depends on an asset may go on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from tocsin.signals import Json

CHECKS_LIMIT = 100  # of one asset


class Grade(Enum):
    """How bad it is when a check fails."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CheckPolicy:
    """What is said about a check in advance.

    Attributes:
        severity: When its results do not say.
        blocking: Whether what depends on the asset waits while it fails.
        description: What it looks at.
    """

    severity: Grade = Grade.ERROR
    blocking: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One evaluation of a check.

    Attributes:
        id: Derived from its cause: the same twice is one.
        check: The check's name.
        partition: Of which partition; empty for the whole asset.
        passed: Whether it did.
        severity: How bad it is when not.
        blocking: Whether what depends on the asset waits.
        at: When.
        run: By which run.
        detail: One sentence.
        metadata: Whatever was measured.
        actor: Who said so.
    """

    id: str
    check: str
    partition: str = ""
    passed: bool
    severity: Grade = Grade.ERROR
    blocking: bool = False
    at: datetime
    run: str | None = None
    detail: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    actor: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The latest result of a check, as the asset keeps it."""

    passed: bool
    severity: Grade
    blocking: bool
    at: datetime


def place_of(check: str, partition: str) -> str:
    """Under which name an asset keeps the latest result."""
    return f"{check}@{partition}" if partition else check


def stood(standings: Mapping[str, Standing], result: CheckResult) -> dict[str, Standing]:
    """The latest results after one more; a late report of an older one changes nothing, good partitions are not kept."""
    place = place_of(result.check, result.partition)
    known = standings.get(place)
    if known is not None and known.at > result.at:
        return dict(standings)
    after = {**standings, place: Standing(result.passed, result.severity, result.blocking, result.at)}
    if result.partition and result.passed:
        del after[place]
    if len(after) > CHECKS_LIMIT * 10:
        oldest = min(after, key=lambda name: after[name].at)
        del after[oldest]
    return after


def blockers(standings: Mapping[str, Standing], partitions: Iterable[str]) -> list[str]:
    """The blocking checks that fail now, for the whole asset or one of these partitions."""
    names = set(partitions)
    return sorted(
        place
        for place, standing in standings.items()
        if standing.blocking and not standing.passed and (place.partition("@")[2] or "") in {"", *names}
    )
