"""Running again: a new run of the same workflow, or of another version of it, that takes what an earlier one has done."""

from dataclasses import dataclass, field

import orjson

from tocsin.errors import TooLarge
from tocsin_executor.application.definitions import Definitions
from tocsin_executor.application.reading import Reading
from tocsin_executor.application.repeats import Repeats
from tocsin_executor.application.runs import RunAlreadyDone, Runs, StartOrder
from tocsin_executor.application.views import RunView
from tocsin_executor.domain.reuse import Reuse, plan_reuse
from tocsin_executor.domain.values import Json
from tocsin_executor.ports import Programs

RECORDS = 50_000
"""Finished tasks that a run may have to be run again with reuse."""

PLAN_LIMIT = 4 * 1024 * 1024
"""Bytes of outputs that a new run may take."""

LABEL = "tocsin.rerun"
"""Label of a rerun: the run that it repeats."""


@dataclass(slots=True)
class Again:
    """What a rerun is to be.

    Attributes:
        start: The task from which on everything is done again; ``None``: only what did not go well.
        version: Of the workflow; ``None`` for that of the earlier run, ``latest`` for the newest.
        edited: Whether ``input`` takes the place of the earlier input.
        input: See there.
        labels: Beside those of the earlier run.
        actor: Who asks.
        cause: The request.
        traceparent: W3C trace context.
        behind: The person behind a credential that says another name, for the run's trigger.
    """

    start: str | None = None
    version: str | None = None
    edited: bool = False
    input: Json = None
    labels: dict[str, str] = field(default_factory=dict)
    actor: str | None = None
    cause: str | None = None
    traceparent: str | None = None
    behind: dict[str, Json] = field(default_factory=dict)


class Reruns:
    """Use cases of running again.

    Args:
        runs: Use cases of runs.
        repeats: Starts with an idempotency key.
        definitions: To find other versions.
        programs: Compiled definitions.
        reading: What earlier runs have done.
    """

    def __init__(self, runs: Runs, repeats: Repeats, definitions: Definitions, programs: Programs, reading: Reading) -> None:
        self._runs = runs
        self._repeats = repeats
        self._definitions = definitions
        self._programs = programs
        self._reading = reading

    async def plan(self, view: RunView, again: Again) -> tuple[Reuse, str]:
        """What a rerun would take and do again, and the version it would be of.

        Raises:
            RunAlreadyDone: The earlier run goes on.
            NeverReached: It has never come to that task.
            NotFound: There is no such version.
            TooLarge: The earlier run has done too much.
            Unavailable: What it has done is not saved yet.
        """
        if view.status not in {"completed", "faulted", "cancelled"}:
            raise RunAlreadyDone(f"Run {view.id} is {view.status}; only one that has ended can be run again.", run=view.id)
        version = await self._definitions.resolve(view.namespace, view.workflow, again.version or view.version)
        old, new = await self._programs.load(view.digest), await self._programs.load(version.digest)
        await self._runs.saved_end(view.id)
        records = await self._reading.records(view.id, RECORDS)
        edited = again.edited and again.input != view.input
        return plan_reuse(records, old, new, again.start, edited=edited), version.version

    async def rerun(self, view: RunView, again: Again, *, run: str | None = None) -> RunView:
        """Start it; raises as :meth:`plan`, and what a start raises."""
        reuse, version = await self.plan(view, again)
        size = len(orjson.dumps(reuse.plan))
        if size > PLAN_LIMIT:
            raise TooLarge(
                f"The outputs to take have {size} bytes, the limit is {PLAN_LIMIT}.",
                hint="Start from an earlier task, so that less is taken.",
                size=size,
                limit=PLAN_LIMIT,
            )
        order = StartOrder(
            namespace=view.namespace,
            workflow=view.workflow,
            version=version,
            input=again.input if again.edited else view.input,
            labels={**view.labels, **again.labels, LABEL: view.id},
            actor=again.actor,
            cause=again.cause,
            correlation=view.correlation,
            traceparent=again.traceparent,
            trigger={"kind": "rerun", "name": again.start, "event": view.id, **again.behind},
            reuse=reuse.plan,
            origin=view.id,
        )
        return await (self._runs.start(order) if run is None else self._repeats.start(run, order))
