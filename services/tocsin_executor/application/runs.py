"""Starting runs, asking things of them, and seeing how they are."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from tocsin.errors import Conflict, NotFound, Unavailable
from tocsin.signals.ids import derive
from tocsin_executor.application import wire
from tocsin_executor.application.admission import Admission
from tocsin_executor.application.apart import Apart
from tocsin_executor.application.definitions import Definitions
from tocsin_executor.application.host import Host
from tocsin_executor.application.verdicts import Verdicts
from tocsin_executor.application.views import RunView, TaskView, finished_task, live_tasks_of, view_of, view_of_waiting
from tocsin_executor.application.waiting import Waiting
from tocsin_executor.domain.codec import decode_run
from tocsin_executor.domain.explain import explain
from tocsin_executor.domain.inputs import Parent, Verb
from tocsin_executor.domain.large import Large, inside
from tocsin_executor.domain.limits import Terms
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.questions import Question, questions_of
from tocsin_executor.domain.reuse import Plan
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.values import Json
from tocsin_executor.ports import Programs, RunStore, Version
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock

_CATCH_UP = 15  # hundredths of a second that a list waits for what was folded and is not saved yet
_SAVED_WITHIN = 60  # looks until the end of a run is saved
_FIRST = 0.002  # seconds that the answer to a start leaves to the beginning of the run
_POLL = 0.05  # seconds between looks at a run that another replica owns
_LOOK = 1.0  # seconds between looks at one of our own, whose end is told


class RunAlreadyDone(Conflict):
    """The run does not allow this now."""

    code = "run_not_in_that_state"


@dataclass(slots=True)
class StartOrder:
    """What a start needs. ``priority`` and ``key`` take the place of what the definition says about its limits."""

    namespace: str
    workflow: str
    version: str | None = None
    input: Json = None
    labels: dict[str, str] = field(default_factory=dict)
    actor: str | None = None
    cause: str | None = None
    correlation: str | None = None
    traceparent: str | None = None
    trigger: dict[str, Json] | None = None
    parent: Parent | None = None
    depth: int = 0
    priority: int | None = None
    key: str | None = None
    reuse: Plan | None = None
    origin: str | None = None


class InputStream(Protocol):
    """The log of inputs, as those see it who do not fold it."""

    async def append(self, subject: str, payload: bytes) -> int:
        """Store one input; its position, when it is stored."""
        ...

    async def first(self, subject: str) -> tuple[int, bytes] | None:
        """Time (milliseconds) and payload of the first message of a subject, if it is still there."""
        ...


class Runs:
    """Use cases of runs.

    Args:
        host: The engine of this process.
        store: Saved runs.
        definitions: To find what to run.
        programs: Compiled definitions.
        inputs: The log.
        admission: Lets runs begin that a limit holds back.
        clock: Time.
        chance: For ids.
        apart: Where large values are.
    """

    def __init__(
        self,
        host: Host,
        store: RunStore,
        definitions: Definitions,
        programs: Programs,
        inputs: InputStream,
        *,
        admission: Admission,
        clock: Clock,
        chance: Chance,
        apart: Apart,
    ) -> None:
        self._apart = apart
        self._host = host
        self._store = store
        self._definitions = definitions
        self._programs = programs
        self._inputs = inputs
        self._admission = admission
        self._clock = clock
        self._chance = chance
        self._verdicts = Verdicts(host, store, clock)

    # -- start --------------------------------------------------------------------------------------------------------

    async def start(self, order: StartOrder, *, run: str | None = None) -> RunView:
        """Accept a run: when this returns, it is in the log, and will be folded whatever dies.

        Args:
            order: What to run.
            run: Its id, derived from what caused it, so that a repeat starts nothing twice; ``None`` draws one.

        Raises:
            NotFound: No such workflow or version.
            TooLarge: The input is above the limit.
            LimitReached: Its limit is, and its policy is not to wait.
            Unavailable: The log cannot be written now; nothing is known to be started.
        """
        if not isinstance(order.input, Large):
            whole, order.input = order.input, await self._kept(order.input, "The input of a run")
        else:
            whole = await self._apart.loaded(order.input)
        version = await self._definitions.resolve(order.namespace, order.workflow, order.version)
        program = await self._programs.load(version.digest)
        terms = self._admission.terms(program, whole, priority=order.priority, key=order.key)
        now = self._clock.now()
        identity = run or new_id(now, self._chance)
        payload = self._start_input(identity, order, version, () if terms is None else terms.keys, drawn=run is None)
        if terms is not None:
            return await self._wait_for(terms, identity, order, version, payload)
        with self._host.waiters.begin_of(identity) as begun:
            await self._inputs.append(wire.input_subject(identity, self._host.partitions), payload)
            if self._host.owns(identity):  # its first tasks go out before this process is at the answer
                await asyncio.wait((begun,), timeout=_FIRST)
        return RunView(
            id=identity,
            namespace=order.namespace,
            workflow=order.workflow,
            version=version.version,
            digest=version.digest,
            status="pending",
            labels=order.labels,
            created=int(now.timestamp() * 1000),
            input=order.input,
            actor=order.actor,
            trigger=order.trigger,
            correlation=order.correlation or order.cause or identity,
        )

    def _start_input(self, run: str, order: StartOrder, version: Version, slots: Sequence[str], *, drawn: bool) -> bytes:
        """The input that begins a run. ``drawn``: its id is new, so nobody has to look whether there is one."""
        return wire.start(
            id=run if drawn else derive("start", run),
            digest=version.digest,
            input=order.input,
            seed=int.from_bytes(self._chance.token(4), "big") if drawn else derive_number(run),
            fresh=drawn,
            correlation=order.correlation or order.cause or run,
            cause=order.cause,
            actor=order.actor,
            traceparent=order.traceparent,
            labels=order.labels,
            trigger=order.trigger,
            parent=order.parent,
            depth=order.depth,
            slots=slots,
            reuse=order.reuse,
            origin=order.origin,
        )

    async def _wait_for(self, terms: Terms, run: str, order: StartOrder, version: Version, start: bytes) -> RunView:
        waiting = Waiting(
            run=run,
            namespace=order.namespace,
            workflow=order.workflow,
            version=version.version,
            digest=version.digest,
            labels=order.labels,
            partition=wire.partition_of(run, self._host.partitions),
            since=int(self._clock.now().timestamp() * 1000),
            state="waiting",
            terms=terms,
            start=start,
            actor=order.actor,
            trigger=order.trigger,
            correlation=order.correlation or order.cause or run,
            parent=order.parent,
        )
        return view_of_waiting(await self._admission.ask(waiting))

    async def report_missing(self, parent: Parent, detail: str) -> None:
        """Tell a parent that the child it asked for cannot be started."""
        error: dict[str, Json] = {
            "type": "https://open-workflow-specification.org/spec/1.0.0/errors/configuration",
            "status": 404,
            "title": "Configuration Error",
            "detail": detail,
        }
        payload = wire.child(parent.attempt, None, error, False)
        await self._inputs.append(wire.input_subject(parent.run, self._host.partitions), payload)

    # -- see ----------------------------------------------------------------------------------------------------------

    async def get(self, run: str) -> RunView:
        """How a run is now; one that was accepted is there at once.

        Raises:
            NotFound: There is none.
        """
        live = self._host.live(run)
        if live is not None:
            return view_of(run, live.state, live.meta)
        stored = (await self._store.load([run])).get(run)
        if stored is not None:
            return view_of(run, decode_run(run, stored.bodies, stored.values), stored.meta)
        waiting = await self._admission.find(run)
        return await self._pending(run) if waiting is None else view_of_waiting(waiting)

    async def wait(self, known: RunView, seconds: float) -> RunView:
        """How a run is when it has ended, or after ``seconds``, or when this process stops.

        Where it is folded may change meanwhile, so it is looked at now and then whoever folds it; and while it cannot be looked
        at, what was known of it last is still true of a moment ago.
        """
        until, view, waiters = self._clock.monotonic() + seconds, known, self._host.waiters
        while True:
            with waiters.end_of(known.id) as ended:
                with suppress(Unavailable):
                    view = await self.get(known.id)
                left = until - self._clock.monotonic()
                if _is_final(view) or left <= 0 or waiters.closed:
                    return view
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _LOOK if self._host.owns(known.id) else _POLL)):
                        await ended

    async def catch_up(self) -> None:
        """Let lists see what was folded here by now: a save or two, or a moment if there is too much to do."""
        enough = self._host.saves + 2
        for _ in range(_CATCH_UP):
            if self._host.saves >= enough or self._host.settled:
                return
            await self._clock.sleep(0.01)

    async def saved_end(self, run: str) -> None:
        """Return when the end of a run is saved, and with it everything that it has done.

        Raises:
            Unavailable: It takes too long.
        """
        for _ in range(_SAVED_WITHIN):
            stored = (await self._store.load([run])).get(run)
            if stored is None or decode_run(run, stored.bodies, stored.values).terminal:
                return
            await self._clock.sleep(_POLL)
        raise Unavailable(f"What run {run} has done is not saved yet.", run=run)

    async def live_tasks(self, run: str) -> list[TaskView]:
        """Tasks of a run that are not in the saved records: finished since the last save, or still alive."""
        live = self._host.live(run)
        if live is not None:
            finished = [finished_task(record) for record in (*live.saving, *live.records)]
            return finished + live_tasks_of(live.state, live.program)
        saved = await self._saved(run)
        return [] if saved is None else live_tasks_of(*saved)

    async def questions(self, run: str) -> list[Question]:
        """What a run asks people now."""
        found = await self.position(run)
        return [] if found is None else questions_of(run, found[1], found[0])

    async def position(self, run: str) -> tuple[RunState, Program] | None:
        """Where a run that goes on is, in its program."""
        live = self._host.live(run)
        return await self._saved(run) if live is None else (live.state, live.program)

    async def value(self, run: str, digest: str) -> bytes:
        """The JSON of a large value that the run has or had.

        Raises:
            NotFound: It never had such a one.
            Unavailable: The store does not answer.
        """
        live = self._host.live(run)
        if live is not None:
            head = live.state.head
        else:
            stored = (await self._store.load([run])).get(run)
            head = None if stored is None else decode_run(run, stored.bodies, stored.values).head
        given = (await self.get(run)).input if head is None else None
        if digest not in (head.large if head is not None else {found.digest for found in inside(given)}):
            raise NotFound(f"Run {run} has no value {digest}.", run=run, digest=digest)
        return await self._apart.read(digest)

    async def _kept(self, value: Json, what: str) -> Json:
        return await self._apart.keep(value, what=what)

    async def explain(self, run: str) -> list[dict[str, Json]]:
        """What a run waits for, one entry for each reason; empty when it has ended."""
        found = await self.position(run)
        if found is not None:
            return explain(found[1], found[0])
        waiting = await self._admission.find(run)
        return [] if waiting is None else await self._admission.explain(waiting)

    async def _saved(self, run: str) -> tuple[RunState, Program] | None:
        """The saved state of a run that goes on, with its program."""
        stored = (await self._store.load([run])).get(run)
        if stored is None:
            return None
        state = decode_run(run, stored.bodies, stored.values)
        return None if state.terminal else (state, await self._programs.load(stored.digest))

    async def _pending(self, run: str) -> RunView:
        first = await self._inputs.first(wire.input_subject(run, self._host.partitions))
        if first is None:
            raise NotFound(f"There is no run {run}.", run=run)
        document = wire.read_documents(first[1])[0]
        if document["kind"] != "start":
            raise NotFound(f"There is no run {run}.", run=run)
        program = await self._programs.load(document["digest"])
        return RunView(
            id=run,
            namespace=program.namespace,
            workflow=program.name,
            version=program.version,
            digest=program.digest,
            status="pending",
            labels=document.get("labels") or {},
            created=first[0],
            input=document.get("input"),
            actor=document.get("actor"),
            trigger=document.get("trigger"),
            correlation=document.get("correlation"),
        )

    # -- ask ----------------------------------------------------------------------------------------------------------

    async def control(
        self,
        run: str,
        verb: Verb,
        *,
        actor: str | None,
        reason: str | None,
        task: str | None = None,
        output: Json = None,
    ) -> RunView:
        """Ask something of a run, or of its ``task`` (name, reference or activation); returns when the engine has accepted it.

        Raises:
            RunAlreadyDone: The run's status does not allow it.
        """
        if self._host.live(run) is None:
            waiting = await self._admission.find(run)
            if waiting is not None and waiting.state == "waiting":
                return await self._control_waiting(run, verb, actor=actor, reason=reason)
        if verb is Verb.OVERRIDE:
            output = await self._kept(output, "The output")
        command = new_id(self._clock.now(), self._chance)
        payload = wire.control(command, verb, actor=actor, reason=reason, token=task, output=output)
        with self._host.waiters.expect(command) as reply:
            position = await self._inputs.append(wire.input_subject(run, self._host.partitions), payload)
            refusal = await self._verdicts.of(run, command, position, reply)
        if refusal is not None:
            raise RunAlreadyDone(f"The run refused to {verb.value}: {refusal}.", run=run)
        return await self.get(run)

    async def _control_waiting(self, run: str, verb: Verb, *, actor: str | None, reason: str | None) -> RunView:
        """A run that has not begun can only be cancelled; meanwhile it may have begun."""
        if verb not in (Verb.CANCEL, Verb.TERMINATE):
            raise RunAlreadyDone(f"The run refused to {verb.value}: it waits to begin.", run=run)
        if not await self._admission.withdraw(run, actor=actor, reason=reason):
            return await self.control(run, verb, actor=actor, reason=reason)
        self._host.waiters.finish(run)
        return await self.get(run)


def derive_number(identity: str) -> int:
    """A seed that is a function of the run's id, so that a repeated start is the same start."""
    return int.from_bytes(derive("seed", identity).encode()[:6], "big")


def _is_final(view: RunView) -> bool:
    return view.status in {"completed", "faulted", "cancelled"}
