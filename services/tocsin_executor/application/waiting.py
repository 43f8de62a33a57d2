"""A run that waits for its limits, and the queue where it does, as a port."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tocsin_executor.domain.admission import Situation, Verdict
from tocsin_executor.domain.inputs import Parent
from tocsin_executor.domain.limits import Terms
from tocsin_executor.domain.values import Json, Millis


@dataclass(slots=True)
class Waiting:
    """A run that was accepted and has not begun, or never will.

    Attributes:
        run: Its id.
        namespace: Of the workflow.
        workflow: Its name.
        version: Its version.
        digest: Of its definition.
        labels: For people and filters.
        partition: Where its inputs will be.
        since: When its start was accepted.
        state: ``waiting``, ``granted``, ``refused``.
        terms: What it has to pass.
        start: The input that begins it.
        actor: Who asked.
        trigger: What asked.
        correlation: The flow it belongs to.
        parent: The run that waits for it, or ``None``.
        reason: Why it was refused, as ``(code, sentence)``.
        ended: When it was refused.
    """

    run: str
    namespace: str
    workflow: str
    version: str
    digest: str
    labels: dict[str, str]
    partition: int
    since: Millis
    state: str
    terms: Terms
    start: bytes
    actor: str | None = None
    trigger: dict[str, Json] | None = None
    correlation: str = ""
    parent: Parent | None = None
    reason: tuple[str, str] | None = None
    ended: Millis | None = None


@dataclass(slots=True)
class Look:
    """What was found at a limit.

    Attributes:
        situation: For the decision.
        revisions: Of the limits that it is about, for the commit.
    """

    situation: Situation
    revisions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """All limits together.

    Attributes:
        waiting: Runs that wait at one.
        holding: Live runs that hold a place.
        unbegun: Runs that were let in long ago and have not begun: none, unless something is broken.
        oldest_ms: For how long the first of those that wait does.
    """

    waiting: int
    holding: int
    unbegun: int
    oldest_ms: Millis


class Queue(Protocol):
    """Where runs wait."""

    async def put(self, waiting: Waiting) -> bool:
        """Accept a run; ``False`` when there is one of that id."""
        ...

    async def find(self, run: str) -> Waiting | None:
        """A run that waits, was let in and has not begun, or was refused."""
        ...

    async def missing_pools(self, keys: Collection[str]) -> list[str]:
        """Those keys of pools that there are no pools for."""
        ...

    async def look(self, key: str, now: Millis) -> Look:
        """Who waits at a limit and who holds what they wait for."""
        ...

    async def commit(self, look: Look, verdicts: Sequence[Verdict], now: Millis) -> list[Waiting]:
        """Carry verdicts out, all or none; returns the runs that were let in or refused.

        Raises:
            Conflict: Someone else was first.
        """
        ...

    async def withdraw(self, run: str, reason: tuple[str, str], now: Millis) -> Waiting | None:
        """Refuse a run that still waits; ``None`` when it does not."""
        ...

    async def keys(self) -> list[str]:
        """Limits that somebody waits at."""
        ...

    async def undone(self, before: Millis) -> tuple[list[Waiting], list[str]]:
        """Runs let in or refused before then of which that is not known to be done, and runs asked to make room."""
        ...

    async def put_back(self, run: str, before: Millis) -> bool:
        """Let a run wait again that was let in before then and has not begun; ``False`` when that is not so any more."""
        ...

    async def said(self, run: str) -> None:
        """It was said that this run was refused."""
        ...

    async def holders(self, keys: Collection[str], limit: int) -> dict[str, list[str]]:
        """Runs that hold each of these limits."""
        ...

    async def ahead(self, waiting: Waiting, key: str) -> int:
        """How many are before a run at a limit."""
        ...
