"""What the case service needs from outside: cases with everything that lies beside them, and what people configured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from tocsin.errors import Unavailable
from tocsin.signals import Json
from tocsin_case.domain.access import Viewer
from tocsin_case.domain.calendars import BusinessCalendar
from tocsin_case.domain.cases import Case
from tocsin_case.domain.counted import Counted
from tocsin_case.domain.escalation import Policy, Team
from tocsin_case.domain.evidence import Attachment, Custody, Moved, Observable, Sighting, Use
from tocsin_case.domain.history import Record
from tocsin_case.domain.measures import Backlog, Opened, Window
from tocsin_case.domain.oncall import Rotation
from tocsin_case.domain.recoveries import Recovery
from tocsin_case.domain.rules import Rule
from tocsin_case.domain.talk import Comment
from tocsin_case.domain.tasks import CaseTask
from tocsin_case.domain.templates import CaseTemplate, SavedView
from tocsin_case.domain.types import CaseType
from tocsin_kit.store import Entry, Outgoing, Page

Beside = Comment | CaseTask | Attachment | Custody | Counted | Use | Moved
"""What is stored in a collection of its own, in one transaction with the case."""
Configured = CaseType | BusinessCalendar | Policy | Rotation | Team | CaseTemplate | SavedView | Rule
C = TypeVar("C", bound=Configured)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSearch:
    """What to look for; ``None`` and empty are everything.

    Attributes:
        namespaces: Where; together with ``prefixes``.
        prefixes: Beginnings of namespaces.
        viewer: Restricted cases are left out unless this one sees them.
        text: Words of title, description, resolution, tags and text fields, all of which must be there; ``fail*`` begins one.
        fields: Custom fields with their values.
        overdue: Whether a clock of it has breached and is not met.
        restricted: ``False`` for cases that everybody sees, ``True`` for restricted ones that the viewer sees.
        sort: ``updated_at``, ``opened_at``, ``next_due``; ``None`` for the one that the rest can be answered in.
    """

    namespaces: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    viewer: Viewer | None = None
    status: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    active: bool | None = None
    kind: str | None = None
    priority: tuple[str, ...] = ()
    severity: int | None = None
    owner: str | None = None
    unowned: bool = False
    team: str | None = None
    queue: str | None = None
    tag: str | None = None
    link: str | None = None
    rule: str | None = None
    text: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    overdue: bool | None = None
    restricted: bool | None = None
    opened_after: datetime | None = None
    opened_before: datetime | None = None
    sort: str | None = None

    @property
    def order(self) -> str:
        """What the cases found are sorted by: words and fields are indexed by the opening."""
        return self.sort or ("opened_at" if self.text is not None or self.fields else "updated_at")


@dataclass(frozen=True, slots=True)
class Facets:
    """How many cases have which value.

    Attributes:
        counts: By field and value; the most frequent values.
        counted: How many cases were looked at.
        complete: Whether these are all that were found; otherwise the most recent ones.
    """

    counts: Mapping[str, Mapping[str, int]]
    counted: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One case of several that change together."""

    entry: Entry[Case]
    case: Case
    record: Record
    outbox: Sequence[Outgoing] = ()
    beside: Sequence[Beside] = ()


class CaseStore(Protocol):
    """Cases."""

    async def load(self, case_id: str) -> Entry[Case]:
        """The case, or an entry without value."""
        ...

    async def load_many(self, case_ids: Sequence[str]) -> dict[str, Entry[Case]]:
        """Those of the cases that there are."""
        ...

    async def commit(self, changes: Sequence[Change]) -> list[Entry[Case]]:
        """Store cases, their history and what lies beside them, and say it: all or nothing.

        Raises:
            Conflict: Someone was first, or another active case is about the same thing.
        """
        ...

    async def active(self, dedupes: Sequence[str]) -> list[Entry[Case]]:
        """The active cases about these things."""
        ...

    async def ended_since(self, dedupe: str, since: datetime) -> bool:
        """Whether a case about this thing has ended at or after an instant."""
        ...

    async def with_run(self, run: str) -> list[Entry[Case]]:
        """Cases that have started a run and wait for its end."""
        ...

    async def due(self, now: datetime, *, limit: int) -> Sequence[Entry[Case]]:
        """Cases of which a clock or an escalation is due."""
        ...

    async def search(self, search: CaseSearch, *, limit: int, cursor: str | None) -> Page[Entry[Case]]:
        """One page of cases."""
        ...

    async def facets(self, search: CaseSearch) -> Facets:
        """How many of the cases found have which value."""
        ...

    async def opened(self, search: CaseSearch, window: Window) -> Opened:
        """Sums over the cases found that were opened in a window."""
        ...

    async def backlog(self, search: CaseSearch, now: datetime) -> Backlog:
        """Active cases among those found by age, whenever they were opened."""
        ...

    async def load_of(self, owners: Sequence[str]) -> dict[str, int]:
        """Active cases by owner."""
        ...

    async def history(self, case_id: str) -> list[Record]:
        """All changes of a case, in order."""
        ...

    def read(self, state: Mapping[str, object]) -> Case:
        """The case that the stored members of its history make."""
        ...


class BesideStore(Protocol):
    """What lies beside cases."""

    async def counted(self, mark: str) -> bool:
        """Whether a case knows of this occurrence."""
        ...

    async def recover(self, recovery: Recovery) -> None:
        """Remember a recovery for a while, unless a later one of the same thing is known."""
        ...

    async def recovery(self, key: str) -> Recovery | None:
        """The last recovery of a thing that is remembered."""
        ...

    async def comments(self, cases: Sequence[str], *, internal: bool, limit: int, cursor: str | None) -> Page[Comment]:
        """Comments of cases, oldest first."""
        ...

    async def comment(self, comment_id: str) -> Comment | None:
        """One comment."""
        ...

    async def tasks(self, case_id: str) -> list[CaseTask]:
        """Tasks of a case, oldest first."""
        ...

    async def task_of_run(self, run: str) -> CaseTask | None:
        """The task that a run was started for."""
        ...

    async def late_tasks(self, now: datetime, *, limit: int) -> list[CaseTask]:
        """Tasks that are late and of which nobody has been told."""
        ...

    async def attachments(self, case_id: str) -> list[Attachment]:
        """Files of a case, oldest first."""
        ...

    async def keep(self, sha256: str, content: bytes) -> None:
        """Store the content of a file under its hash; the same content is kept once."""
        ...

    async def content(self, sha256: str) -> bytes | None:
        """The content of a file."""
        ...

    async def forget(self, sha256: str) -> bool:
        """Delete a content that no file uses any more; whether it is gone."""
        ...

    async def custody(self, attachment_id: str) -> list[Custody]:
        """The chain of a file, in order."""
        ...

    async def hand(self, entry: Custody) -> None:
        """Append to a chain.

        Raises:
            Conflict: Somebody else has appended the same place.
        """
        ...

    async def see(self, sighting: Sighting) -> Observable:
        """Note that a thing was seen; a repeat in the same case counts up."""
        ...

    async def unsee(self, case_id: str, observable_id: str) -> bool:
        """Take a sighting back; whether there was one."""
        ...

    async def sightings(self, case_id: str) -> list[Sighting]:
        """What was seen in a case."""
        ...

    async def observable(self, observable_id: str) -> tuple[Observable, list[Sighting]] | None:
        """A thing, and where it was seen."""
        ...

    async def sightings_of(self, observables: Sequence[str]) -> list[Sighting]:
        """Where things were seen."""
        ...

    async def observables(self, namespace: str, *, text: str | None, limit: int, cursor: str | None) -> Page[Observable]:
        """Things of a namespace."""
        ...


class Configuration(Protocol):
    """Types, calendars, policies and so on: named things of a namespace."""

    async def load(self, kind: type[C], namespace: str, name: str) -> Entry[C]:
        """The thing, or an entry without value."""
        ...

    async def commit(self, kind: type[C], entry: Entry[C], value: C | None, outbox: Sequence[Outgoing]) -> Entry[C]:
        """Store (``None`` deletes) and say it."""
        ...

    async def of_namespace(self, kind: type[C], namespace: str) -> list[C]:
        """All of a namespace, by name."""
        ...

    async def next_turn(self, namespace: str, team: str) -> int:
        """How many turns a team has had before this one."""
        ...

    async def teams_of(self, subject: str) -> list[str]:
        """``<namespace>/<team>`` of the teams that somebody is a member of."""
        ...


class Unreadable(Unavailable):
    """The result of a run cannot be read; the detail says why."""

    code = "case.result_unreadable"


class Runs(Protocol):
    """What became of runs."""

    async def output(self, run: str) -> Json:
        """The output of a run that has completed; ``None`` when it has none.

        Raises:
            Unreadable: It cannot be read.
        """
        ...
