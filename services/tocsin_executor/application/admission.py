"""Letting runs begin that a limit holds back: workflows with a concurrency limit or a rate, and named pools.

A run that has to wait is a document with its start in it, beside those of all other runs: accepted for good, in the lists as
``pending``, and able to be cancelled. Whoever sees that a place may be free (a start, the end of a run, the look that every
replica takes now and then) decides by the pure rules of ``domain.admission`` and commits with the revision of the limit that
the decision was made from: of two replicas one commits, the other decides again. Only then the start goes into the log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

import structlog

from tocsin.errors import Conflict, NotFound, TocsinError, TooMany
from tocsin_executor.application import wire
from tocsin_executor.application.waiting import Queue, Waiting
from tocsin_executor.domain.admission import Admit, Displace, Refuse, Standing, decide, next_look, standings
from tocsin_executor.domain.inputs import Verb
from tocsin_executor.domain.limits import Rule, Terms, rule_of, terms_of
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.values import Json, Millis
from tocsin_kit.clock import Clock

log = structlog.get_logger()

_NAMED = 3  # runs in a sentence
_TRIES = 20  # decisions that others may overtake before this one is left to the next look
_LATE: Millis = 5_000  # after which what was decided and not done is done again
_RULES = 500  # rules remembered
_AT_ONCE = 100  # limits that a look takes
_EVERY = 1.0  # seconds between rounds while some limits are left to be looked at
_CALM = 3.0  # seconds between rounds otherwise: nobody depends on them but what a crash left behind


class LimitReached(TooMany):
    """The workflow's concurrency limit is reached, and its policy is to start nothing then."""

    code = "limit_reached"


class Inputs(Protocol):
    """The log of inputs."""

    async def append(self, subject: str, payload: bytes) -> int:
        """Store one input; returns when it is stored."""
        ...

    async def first(self, subject: str) -> tuple[int, bytes] | None:
        """Time and payload of the first message of a subject, if there is one."""
        ...


class Refusals(Protocol):
    """Says that a run does not begin."""

    async def say(self, waiting: Waiting) -> None:
        """Publish the signal; a repeat has the same id."""
        ...


class Admission:
    """Lets runs begin.

    Args:
        queue: Where they wait.
        inputs: The log.
        refusals: Says who does not begin.
        clock: Time.
        partitions: How many there are.
    """

    def __init__(self, queue: Queue, inputs: Inputs, refusals: Refusals, *, clock: Clock, partitions: int) -> None:
        self._queue = queue
        self._inputs = inputs
        self._refusals = refusals
        self._clock = clock
        self._partitions = partitions
        self._rules: dict[str, Rule | None] = {}
        self._freed: set[str] = set()
        self._due: list[str] = []  # limits of which this round has still to look at
        self._wake = asyncio.Event()
        self._opens: dict[str, Millis] = {}  # when the rate of a limit opens that somebody waits at

    # -- asked by starts ----------------------------------------------------------------------------------------------

    def terms(self, program: Program, given: Json, *, priority: int | None, key: str | None) -> Terms | None:
        """What a start of this program has to pass; ``None`` for most.

        Raises:
            Invalid: The key of the limit cannot be told from the input.
        """
        if program.digest not in self._rules:
            if len(self._rules) >= _RULES:
                self._rules.clear()
            self._rules[program.digest] = rule_of(program.definition)
        rule = self._rules[program.digest]
        if rule is None:
            return None
        terms = terms_of(rule, program.namespace, program.name, given, priority=priority, key=key)
        return terms if terms.keys else None

    async def ask(self, waiting: Waiting) -> Waiting:
        """Accept a run; it begins at once if it may.

        Raises:
            LimitReached: It may not, and its policy is not to wait.
            NotFound: A pool that it needs does not exist.
        """
        missing = await self._queue.missing_pools(waiting.terms.pools)
        if missing:
            names = ", ".join(key.partition(":")[2] for key in missing)
            raise NotFound(f"There is no pool {names}.", hint="Create it with `tocsin pool set`.")
        await self._queue.put(waiting)
        for key in waiting.terms.keys:
            await self.look(key)
        found = await self._queue.find(waiting.run)
        if found is None:
            raise LimitReached(f"Runs of {waiting.namespace}/{waiting.workflow} are at their limit.", run=waiting.run)
        return found

    async def find(self, run: str) -> Waiting | None:
        """A run that has not begun, and is known here."""
        return await self._queue.find(run)

    async def withdraw(self, run: str, *, actor: str | None, reason: str | None) -> bool:
        """Cancel a run that waits; ``False`` when it does not (any more)."""
        who = "" if actor is None else f" by {actor}"
        why = "" if reason is None else f": {reason}"
        found = await self._queue.withdraw(run, ("cancelled", f"it was cancelled{who} before it began{why}"), self._now())
        if found is None:
            return False
        await self._say(found)
        return True

    async def explain(self, waiting: Waiting) -> list[dict[str, Json]]:
        """Why a run has not begun, one entry for each limit it needs."""
        if waiting.state != "waiting":
            return []
        held = await self._queue.holders(waiting.terms.keys, 20)
        look = await self._queue.look(waiting.terms.keys[0], self._now())
        found = {standing.key: standing for standing in standings(look.situation, waiting.run)}
        entries: list[dict[str, Json]] = []
        for key in waiting.terms.keys:
            ahead = await self._queue.ahead(waiting, key)
            runs, standing = held.get(key, []), found.get(key)
            if standing is not None and standing.open and any(not other.open for other in found.values()):
                continue  # it is not this one that it waits for
            before = "none waits" if not ahead else "1 waits" if ahead == 1 else f"{ahead} wait"
            detail = f"the run waits to begin: limit '{key}' {_standing(standing, runs)}, and {before} before it"
            entry: dict[str, Json] = {"for": "limit", "detail": detail, "limit": key, "held_by": list(runs), "ahead": ahead}
            if standing is not None:
                entry["at_once"] = standing.limit
                entry["until"] = None if standing.opens is None else _iso(standing.opens)
            entries.append(entry)
        return entries

    # -- deciding -----------------------------------------------------------------------------------------------------

    async def look(self, key: str) -> None:
        """Let in who may begin at a limit now, until nobody may."""
        for _ in range(_TRIES):  # not `undisputed`: waits in between, goes on after a success, may give up
            now = self._now()
            look = await self._queue.look(key, now)
            verdicts = decide(look.situation)
            if not verdicts:
                soon = next_look(look.situation)
                if soon is not None:
                    self._opens[key] = soon
                return
            try:
                moved = await self._queue.commit(look, verdicts, now)
            except Conflict:
                await self._clock.sleep(0.005)
                continue
            if self._now() - now > _LATE:
                return  # this process was paused: whoever looks after what is left undone has come to it
            for waiting in moved:
                await self._carry_out(waiting)
            for verdict in verdicts:
                if isinstance(verdict, Displace):
                    await self._displace(verdict.run, verdict.key)
            if not any(isinstance(verdict, Admit | Refuse) for verdict in verdicts):
                return

    async def _carry_out(self, waiting: Waiting) -> None:
        if waiting.state == "granted":
            await self._inputs.append(wire.input_subject(waiting.run, self._partitions), waiting.start)
        elif waiting.reason is not None:
            await self._say(waiting)

    async def _put_back(self, waiting: Waiting, late: Millis) -> bool:
        """Whether a run waits again: its start was never written, and what counts for a rate is when a run begins."""
        gate = waiting.terms.gate
        rated = bool(waiting.terms.pools) or (gate is not None and gate.rate is not None)
        if waiting.state != "granted" or not rated:
            return False
        if await self._inputs.first(wire.input_subject(waiting.run, self._partitions)) is not None:
            return False
        return await self._queue.put_back(waiting.run, late)

    async def _displace(self, run: str, key: str) -> None:
        reason = f"it makes room for a newer run at limit '{key}'"
        payload = wire.control(f"displace:{run}", Verb.CANCEL, actor="service:executor", reason=reason)
        await self._inputs.append(wire.input_subject(run, self._partitions), payload)

    async def _say(self, waiting: Waiting) -> None:
        await self._refusals.say(waiting)
        if waiting.parent is not None:
            payload = wire.child(waiting.parent.attempt, None, None, True)
            await self._inputs.append(wire.input_subject(waiting.parent.run, self._partitions), payload)
        await self._queue.said(waiting.run)

    # -- life ---------------------------------------------------------------------------------------------------------

    def freed(self, keys: Collection[str]) -> None:
        """Runs that held these limits have ended."""
        self._freed.update(keys)
        self._wake.set()

    async def serve(self) -> None:
        """Look where something was freed or a rate has opened, and now and then everywhere, until cancelled."""
        round_at: Millis = 0
        while True:
            until = min([(round_at - self._now()) / 1000, *((at - self._now()) / 1000 for at in self._opens.values())])
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.01, until)):
                    await self._wake.wait()
            self._wake.clear()
            freed, self._freed = self._freed, set()
            opened = {key for key, at in self._opens.items() if at <= self._now()}
            for key in sorted(freed | opened):
                self._opens.pop(key, None)
                await self._guarded(self.look, key)
            if self._now() >= round_at:
                await self._guarded(self.reconcile)
                round_at = self._now() + int((_EVERY if self._due else _CALM) * 1000)

    async def _guarded(self, work: Callable[..., Awaitable[None]], *arguments: str) -> None:
        try:
            await work(*arguments)
        except TocsinError as error:
            log.warning("admission.postponed", code=error.code, error=error.detail)

    async def reconcile(self) -> None:
        """Do what a crash left undone, and look at every limit that somebody waits at."""
        late = self._now() - _LATE
        moved, displaced = await self._queue.undone(late)
        for waiting in moved:
            if not await self._put_back(waiting, late):
                await self._carry_out(waiting)
        for run in displaced:
            await self._displace(run, "its limit")
        self._due = self._due or await self._queue.keys()
        due, self._due = self._due[:_AT_ONCE], self._due[_AT_ONCE:]
        for key in due:  # some at a time: what is freed meanwhile does not wait behind thousands of keys
            await self.look(key)

    def _now(self) -> Millis:
        return int(self._clock.now().timestamp() * 1000)


def _standing(standing: Standing | None, runs: Sequence[str]) -> str:
    """What is to be said of a limit that a run waits at."""
    if standing is not None and not standing.full:
        return "has room" if standing.opens is None else f"is closed by its rate until {_iso(standing.opens)}"
    if standing is not None and standing.limit == 0:
        return "lets nobody begin (it is 0)"
    return f"is {_held(list(runs))}" if runs else "is free"


def _iso(at: Millis) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _held(runs: list[str]) -> str:
    """The first few of those that hold a limit."""
    more = len(runs) - _NAMED
    named = ", ".join(runs[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"held by run {named}" if len(runs) == 1 else f"held by {len(runs)} runs: {named}"
