"""What the case service needs from outside: its cases, its rules, its comments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin_case.domain.cases import Case
from tocsin_case.domain.rules import Rule
from tocsin_kit.store import Entry, Outgoing, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """Something somebody said about a case; never changed.

    Attributes:
        id: Its id; sorts by time.
        case: Of which case.
        author: Who.
        text: Markdown, kept as it was written.
        at: When.
    """

    id: str
    case: str
    author: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSearch:
    """What to look for; ``None`` everywhere is everything."""

    namespaces: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    status: str | None = None
    priority: str | None = None
    owner: str | None = None
    tag: str | None = None
    link: str | None = None
    text: str | None = None


class CaseStore(Protocol):
    """Cases."""

    async def load(self, case_id: str) -> Entry[Case]:
        """The case, or an entry without value."""
        ...

    async def commit(self, entry: Entry[Case], case: Case, outbox: Sequence[Outgoing]) -> Entry[Case]:
        """Store and say it.

        Raises:
            Conflict: Someone was first, or another active case is about the same thing.
        """
        ...

    async def comment(self, entry: Entry[Case], case: Case, comment: Comment, outbox: Sequence[Outgoing]) -> Entry[Case]:
        """Store a comment with the case that counts it."""
        ...

    async def comments(self, case_id: str, *, limit: int, cursor: str | None) -> Page[Comment]:
        """Comments of a case, oldest first."""
        ...

    async def active(self, dedupe: str) -> Entry[Case] | None:
        """The active case about this thing, if there is one."""
        ...

    async def due(self, now: datetime, *, limit: int) -> Sequence[Entry[Case]]:
        """Cases of which a clock is due."""
        ...

    async def search(self, search: CaseSearch, *, limit: int, cursor: str | None) -> Page[Entry[Case]]:
        """One page of cases, most recently changed first."""
        ...


class RuleStore(Protocol):
    """Rules."""

    async def load(self, key: str) -> Entry[Rule]:
        """The rule, or an entry without value."""
        ...

    async def commit(self, entry: Entry[Rule], rule: Rule | None, outbox: Sequence[Outgoing]) -> Entry[Rule]:
        """Store (``None`` deletes) and say it."""
        ...

    async def of_namespace(self, namespace: str) -> Sequence[Rule]:
        """All rules of a namespace, by name."""
        ...
