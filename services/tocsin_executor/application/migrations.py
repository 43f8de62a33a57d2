"""Live runs and versions: which runs stay on older ones, which of them could be moved, and moving one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tocsin_executor.application.definitions import Definitions
from tocsin_executor.application.runs import RunAlreadyDone, Runs
from tocsin_executor.application.views import RunView
from tocsin_executor.domain.codec import decode_run
from tocsin_executor.domain.inputs import Verb
from tocsin_executor.domain.migration import plan
from tocsin_executor.ports import Programs, RunStore

LOOKED_AT = 5_000
"""Live runs that one dry run looks at."""

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Movable:
    """One live run: whether it can be moved.

    Attributes:
        run: Its id.
        version: The version that it is of.
        blocked: Why it cannot be moved; empty when it can.
    """

    run: str
    version: str
    blocked: Sequence[str]


@dataclass(slots=True)
class Report:
    """What a migration of all live runs would do.

    Attributes:
        version: To which version.
        runs: Each live run of another version, oldest first.
        safe: How many can be moved.
        reasons: How many are held back by each reason.
        more: There are more than were looked at.
    """

    version: str
    runs: list[Movable] = field(default_factory=list)
    safe: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    more: bool = False


class LiveRuns(Protocol):
    """What goes on, by version."""

    async def live_versions(self, namespace: str, workflow: str) -> Mapping[str, int]:
        """How many runs of a workflow go on, by version."""
        ...

    async def live_runs(self, namespace: str, workflow: str, other_than: str, limit: int) -> list[str]:
        """Runs that have begun and not ended, of other versions than this, oldest first."""
        ...


class Migrations:
    """Use cases of versions and live runs.

    Args:
        runs: Use cases of runs.
        store: Saved runs.
        live: What goes on.
        definitions: To find versions.
        programs: Compiled definitions.
    """

    def __init__(self, runs: Runs, store: RunStore, live: LiveRuns, definitions: Definitions, programs: Programs) -> None:
        self._runs = runs
        self._store = store
        self._live = live
        self._definitions = definitions
        self._programs = programs

    async def staying(self, namespace: str, workflow: str, version: str) -> dict[str, int]:
        """How many live runs stay on other versions than this one, by version."""
        found = await self._live.live_versions(namespace, workflow)
        return {other: count for other, count in sorted(found.items()) if other != version}

    async def dry_run(self, namespace: str, workflow: str, version: str | None) -> Report:
        """Look at all live runs of other versions: can they be moved to this one (the newest if none is named)?

        Raises:
            NotFound: There is no such version.
        """
        target = await self._definitions.resolve(namespace, workflow, version)
        new = await self._programs.load(target.digest)
        await self._runs.catch_up()
        found = await self._live.live_runs(namespace, workflow, target.version, LOOKED_AT + 1)
        report = Report(target.version, more=len(found) > LOOKED_AT)
        for begin in range(0, min(len(found), LOOKED_AT), _BATCH):
            stored = await self._store.load(found[begin : begin + _BATCH])
            for run, held in stored.items():
                state = decode_run(run, held.bodies, held.values)
                if state.terminal or state.head is None:
                    continue
                blocked = plan(state, await self._programs.load(held.digest), new).blocked
                report.runs.append(Movable(run, state.head.version, blocked))
                report.reasons.update(blocked)
                report.safe += not blocked
        return report

    async def move(self, view: RunView, version: str | None, *, actor: str | None, reason: str | None) -> RunView:
        """Move a live run to a version, the newest if none is named.

        Raises:
            NotFound: There is no such version.
            RunAlreadyDone: The run has ended, or its position does not exist there; the text says why.
        """
        target = await self._definitions.resolve(view.namespace, view.workflow, version)
        if view.digest == target.digest:
            raise RunAlreadyDone(f"Run {view.id} is of version {target.version} already.", run=view.id)
        await self._programs.load(target.digest)
        return await self._runs.control(view.id, Verb.MIGRATE, actor=actor, reason=reason, output={"digest": target.digest})
