"""A case as it stands: what it says, who has it, what was promised for it and what escalates it.

A plain value. How it changes is decided in the modules beside this one; nothing here reads a clock or writes anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tocsin.errors import Conflict
from tocsin_case.domain.clocks import SlaClock
from tocsin_case.domain.types import FieldValue, Priority, Stage, Targets

LINKS = 200  # of one case; beyond that the oldest occurrence says less than the count
TAGS = 50
MERGES = 100
PLAYBOOK_RUNS = 50
CLOCKS = ("response", "update", "resolution")
PLATFORM = "service:case"


class ImpossibleTransition(Conflict):
    """A case cannot go from its status to that one."""

    code = "case.impossible_transition"


@dataclass(frozen=True, slots=True)
class Link:
    """Something a case is about: a run, an asset, a schedule, another case.

    Attributes:
        kind: ``run``, ``asset``, ``schedule``, ``case`` ...
        target: Its id or name.
        role: ``about``, ``caused-by``, ``parent``, ``related``, ``duplicate``, ``playbook``.
    """

    kind: str
    target: str
    role: str = "about"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sla:
    """What was promised.

    Attributes:
        targets: How long.
        calendar: Name of the business calendar; ``None`` for around the clock.
        warn_at: Share of the promised time after which a clock warns; 1 for never.
        own: Whether it was promised for this case alone, so that its priority changes nothing.
    """

    targets: Targets = field(default_factory=Targets)
    calendar: str | None = None
    warn_at: float = 1.0
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """How far the escalation of a case is.

    Attributes:
        policy: Name of the policy.
        since: When it began.
        level: The next level, from 0.
        turn: How often the chain has begun anew.
        next_at: When the next level is reached; ``None`` while held, and at the end.
        left: What was left until then when it was held.
        ended: Why it ended: ``acknowledged``, ``resolved``, ``stopped``, ``exhausted``; ``None`` while it goes on.
        fired: How many levels were reached.
    """

    policy: str
    since: datetime
    level: int = 0
    turn: int = 0
    next_at: datetime | None = None
    left: timedelta | None = None
    ended: str | None = None
    fired: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookRun:
    """A run that was started from a case.

    Attributes:
        name: Of the playbook.
        workflow: Of the run.
        run: Its id.
        started_at: When it was asked for.
        started_by: By whom.
        status: ``started``, ``completed``, ``faulted``, ``cancelled``, ``refused``.
        task: Id of the task of the case that it belongs to, if any.
        detail: What became of it, one line.
        waits_for: The approval that it waits for, one line.
    """

    name: str
    workflow: str
    run: str
    started_at: datetime
    started_by: str
    status: str = "started"
    task: str | None = None
    detail: str | None = None
    waits_for: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a case took over from another, so that it can be given back.

    Attributes:
        case: The other.
        at: When.
        status: That it had.
        answered: When somebody had answered it.
        resolution: That it had.
        links: That this case did not have.
        tags: That this case did not have.
        dedupes: Its keys, which lead here now.
        occurrences: How often its cause had happened.
    """

    case: str
    at: datetime
    status: str
    answered: datetime | None = None
    resolution: str | None = None
    links: tuple[Link, ...] = ()
    tags: tuple[str, ...] = ()
    dedupes: tuple[str, ...] = ()
    occurrences: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case.

    Attributes:
        id: Its id.
        namespace: Where it belongs.
        kind: Name of its type: ``incident``, ``request`` ...
        title: One line.
        description: Markdown, kept as it was written.
        status: Where it stands, in the words of its type.
        stage: What that means.
        priority: How soon.
        severity: 1 (worst) to 5.
        owner: Who has it, ``user:<name>``; ``None`` for nobody.
        team: Which team has it.
        queue: In which queue it waits.
        tags: Free words.
        fields: Custom fields of its type.
        links: What it is about, oldest first.
        restricted: Whether only its own people may see it.
        members: Who may see it besides owner, opener and team when it is restricted.
        opened_at: When.
        opened_by: Who; ``service:case`` for the platform itself.
        updated_at: The last change.
        answered_at: When somebody first answered.
        resolved_at: When it was last resolved or closed; ``None`` while it is active.
        resolution: How it ended.
        rule: The rule that opened it.
        template: The template that it was opened from.
        dedupes: What further occurrences of the same thing have in common; none for cases that people open.
        occurrences: How often it happened; 1 for cases that people open.
        last_position: Place in the stream of signals of the last occurrence; what was well before it proves nothing.
        auto_resolve: Whether it resolves itself when the cause recovers.
        sla: What was promised.
        clocks: By name: ``response``, ``update``, ``resolution``.
        escalation: How far it is escalated.
        playbooks: Runs started from it, oldest first.
        merged_into: The case that took it over.
        merges: What it took over.
        comments: How many there are.
        tasks: How many there are.
        tasks_done: How many of them are over.
        attachments: How many there are.
        observables: How many there are.
    """

    id: str
    namespace: str
    kind: str
    title: str
    description: str
    status: str
    stage: Stage
    priority: Priority
    severity: int
    owner: str | None
    tags: tuple[str, ...]
    links: tuple[Link, ...]
    opened_at: datetime
    opened_by: str
    updated_at: datetime
    team: str | None = None
    queue: str | None = None
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    restricted: bool = False
    members: tuple[str, ...] = ()
    answered_at: datetime | None = None
    resolved_at: datetime | None = None
    resolution: str | None = None
    rule: str | None = None
    template: str | None = None
    dedupes: tuple[str, ...] = ()
    occurrences: int = 1
    last_position: int = 0
    auto_resolve: bool = False
    sla: Sla = field(default_factory=Sla)
    clocks: Mapping[str, SlaClock] = field(default_factory=dict)
    escalation: Escalation | None = None
    playbooks: tuple[PlaybookRun, ...] = ()
    merged_into: str | None = None
    merges: tuple[Merged, ...] = ()
    comments: int = 0
    tasks: int = 0
    tasks_done: int = 0
    attachments: int = 0
    observables: int = 0

    @property
    def next_due(self) -> datetime | None:
        """When something happens to it by itself; what the timer looks for."""
        instants = [clock.next_instant for clock in self.clocks.values()]
        if self.escalation is not None and self.escalation.ended is None:
            instants.append(self.escalation.next_at)
        return min((instant for instant in instants if instant is not None), default=None)

    def linked(self, link: Link) -> "Case":
        """With one more link; a case keeps its most recent ones."""
        others = tuple(known for known in self.links if known != link)
        return replace(self, links=(*others, link)[-LINKS:])

    def unlinked(self, link: Link) -> "Case":
        """Without a link."""
        return replace(self, links=tuple(known for known in self.links if known != link))


def occur_again(case: Case, link: Link, *, position: int, now: datetime) -> Case:
    """The same thing happened again: count it and link it.

    Occurrences come in any order: what a killed replica had in hand is delivered again when later ones are long counted. The
    caller knows which ones are (:mod:`tocsin_case.domain.counted`); only a repeat of the last one is recognised here.
    """
    if position == case.last_position:
        return case
    linked, last = case.linked(link), max(position, case.last_position)
    return replace(linked, occurrences=case.occurrences + 1, last_position=last, updated_at=now)
