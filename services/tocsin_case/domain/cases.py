"""A case and its life. Every change is a function from a case to a case; nothing here reads a clock or writes anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType

from tocsin.errors import Conflict, Invalid
from tocsin_case.domain.clocks import SlaClock, restart_clock, start_clock

LINKS = 200  # of one case; beyond that the oldest occurrence says less than the count
TAGS = 50


class Status(Enum):
    """Where a case stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in-progress"
    ON_HOLD = "on-hold"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def is_active(self) -> bool:
        """Whether somebody still has to do something."""
        return self not in {Status.RESOLVED, Status.CLOSED}


class Priority(Enum):
    """How soon."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class ImpossibleTransition(Conflict):
    """A case cannot go from its status to that one."""

    code = "case.impossible_transition"


TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.OPEN: frozenset({Status.ACKNOWLEDGED, Status.IN_PROGRESS, Status.ON_HOLD, Status.RESOLVED, Status.CLOSED}),
        Status.ACKNOWLEDGED: frozenset({Status.IN_PROGRESS, Status.ON_HOLD, Status.RESOLVED, Status.CLOSED}),
        Status.IN_PROGRESS: frozenset({Status.ACKNOWLEDGED, Status.ON_HOLD, Status.RESOLVED, Status.CLOSED}),
        Status.ON_HOLD: frozenset({Status.ACKNOWLEDGED, Status.IN_PROGRESS, Status.RESOLVED, Status.CLOSED}),
        Status.RESOLVED: frozenset({Status.OPEN, Status.CLOSED}),
        Status.CLOSED: frozenset({Status.OPEN}),
    }
)
_ANSWERED = frozenset({Status.ACKNOWLEDGED, Status.IN_PROGRESS, Status.RESOLVED, Status.CLOSED})


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised for a case; ``None`` promises nothing."""

    response: timedelta | None = None
    resolution: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Something a case is about: a run, an asset, a schedule, another case."""

    kind: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case.

    Attributes:
        id: Its id.
        namespace: Where it belongs.
        kind: What sort of case: ``incident``, ``request`` ...
        title: One line.
        description: Markdown, kept as it was written.
        status: Where it stands.
        priority: How soon.
        severity: 1 (worst) to 5.
        owner: Who has it, ``user:<name>``; ``None`` for nobody.
        tags: Free words.
        links: What it is about, oldest first.
        opened_at: When.
        opened_by: Who; ``service:case`` for the platform itself.
        updated_at: The last change.
        resolution: How it ended.
        rule: The rule that opened it.
        dedupe: What further occurrences of the same thing have in common; ``None`` for cases that people open.
        occurrences: How often it happened; 1 for cases that people open.
        last_position: Place in the stream of signals of the last occurrence; an earlier one is a repeat.
        auto_resolve: Whether it resolves itself when the cause recovers.
        promise: What was promised when it was opened.
        response: Clock of the first answer.
        resolving: Clock of the solution.
        comments: How many there are.
    """

    id: str
    namespace: str
    kind: str
    title: str
    description: str
    status: Status
    priority: Priority
    severity: int
    owner: str | None
    tags: tuple[str, ...]
    links: tuple[Link, ...]
    opened_at: datetime
    opened_by: str
    updated_at: datetime
    resolution: str | None = None
    rule: str | None = None
    dedupe: str | None = None
    occurrences: int = 1
    last_position: int = 0
    auto_resolve: bool = False
    promise: Promise = field(default_factory=Promise)
    response: SlaClock | None = None
    resolving: SlaClock | None = None
    comments: int = 0

    @property
    def next_due(self) -> datetime | None:
        """When the next of its clocks breaches; what the timer looks for."""
        due = [clock.due for clock in (self.response, self.resolving) if clock and clock.running and clock.due]
        return min(due, default=None)


def with_promise(case: Case, promise: Promise, now: datetime) -> Case:
    """Start the clocks of a new case."""
    return replace(
        case,
        promise=promise,
        response=start_clock(now, promise.response),
        resolving=start_clock(now, promise.resolution),
    )


def transition(case: Case, to: Status, *, now: datetime, resolution: str | None = None) -> Case:
    """Take a case to another status.

    Args:
        case: As it is.
        to: Where to.
        now: When.
        resolution: How it ended; needed to resolve, allowed to close.

    Raises:
        ImpossibleTransition: Its status has no way there.
        Invalid: It is resolved without saying how.
    """
    if to not in TRANSITIONS[case.status]:
        ways = ", ".join(sorted(status.value for status in TRANSITIONS[case.status]))
        raise ImpossibleTransition(f"a case that is {case.status.value} cannot become {to.value}", hint=f"possible: {ways}")
    if to is Status.RESOLVED and not resolution:
        raise Invalid("a case is resolved by saying how", hint="send a resolution")
    response, resolving = case.response, case.resolving
    if case.status is Status.ON_HOLD:
        response, resolving = (clock and clock.go_on(now) for clock in (response, resolving))
    if to is Status.ON_HOLD:
        response, resolving = (clock and clock.hold(now) for clock in (response, resolving))
    if to in _ANSWERED and response is not None:
        response = response.check(now).meet(now)
    if not to.is_active and resolving is not None:
        resolving = resolving.check(now).meet(now)
    if to is Status.OPEN:
        response = restart_clock(response, now, case.promise.response)
        resolving = restart_clock(resolving, now, case.promise.resolution)
    return replace(
        case,
        status=to,
        updated_at=now,
        resolution=None if to is Status.OPEN else resolution or case.resolution,
        response=response,
        resolving=resolving,
    )


def occur_again(case: Case, link: Link, *, position: int, now: datetime) -> Case:
    """The same thing happened again: count it and link it; a case keeps its most recent links.

    A repeat of an occurrence that is already counted changes nothing.
    """
    if position <= case.last_position:
        return case
    links = tuple(known for known in case.links if known != link)
    return replace(
        case,
        occurrences=case.occurrences + 1,
        last_position=position,
        links=(*links, link)[-LINKS:],
        updated_at=now,
    )


def check_clocks(case: Case, now: datetime) -> tuple[Case, tuple[str, ...]]:
    """Let clocks that are due breach; the case as it is then, and the names of the clocks that did."""
    response = case.response.check(now) if case.response else None
    resolving = case.resolving.check(now) if case.resolving else None
    breached = tuple(
        name
        for name, before, after in (("response", case.response, response), ("resolution", case.resolving, resolving))
        if before != after
    )
    return replace(case, response=response, resolving=resolving), breached
