"""A world for the engine's core: fakes of everything outside, driven step by step, with every rule checked on the way.

The world keeps the log (so that it can be folded again), a clock that only inputs move, and the work that is out: dispatched
attempts, evaluations, children, revocations. What is answered next, and with what, is up to the test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tocsin.expressions import ExpressionFailed
from tocsin_executor.application.correlator import WINDOW
from tocsin_executor.domain.codec import decode_run, encode_cell
from tocsin_executor.domain.compile import compile_workflow
from tocsin_executor.domain.effects import (
    ContinueRun,
    Decision,
    Dispatch,
    Effect,
    Emit,
    Evaluate,
    Record,
    ReportParent,
    Revoke,
    Signal,
    StartRun,
    StopRun,
    Subscribe,
    Unsubscribe,
)
from tocsin_executor.domain.evaluating import Shelf
from tocsin_executor.domain.inputs import (
    Child,
    Continue,
    Control,
    Evaluated,
    Event,
    Input,
    Result,
    Start,
    StopKind,
    Stopped,
    Verb,
    Wake,
)
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.remembered import ListenState
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.step import step
from unit.engine.rules import check

EPOCH = 1_700_000_000_000
Body = Callable[[Dispatch], Any]


def program_of(tasks: list[Any], **parts: Any) -> Program:
    """The program of a document with these tasks."""
    about = {"dsl": "1.0.3", "namespace": "test", "name": "flow", "version": "1.0.0"}
    return compile_workflow({"document": about, "do": tasks, **parts}, "digest")


@dataclass
class World:
    """One run and everything around it.

    Attributes:
        program: What runs.
        body: What a dispatched task answers; raises ``Failure`` to fail.
        checked: Check all rules after every input.
        persist: Save, forget and load the state after every input (as bytes), checking that nothing is lost.
    """

    program: Program
    body: Body = lambda dispatch: dispatch.spec
    persist: bool = False
    checked: bool = True
    run: RunState = field(default_factory=lambda: RunState("r"))
    now: int = EPOCH
    log: list[Input] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    work: dict[str, Dispatch] = field(default_factory=dict)
    dispatched: list[str] = field(default_factory=list)
    asked: dict[str, Evaluate] = field(default_factory=dict)
    stopping: list[str] = field(default_factory=list)
    children: dict[str, StartRun] = field(default_factory=dict)
    subscriptions: dict[str, Subscribe] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)
    slices: list[int] = field(default_factory=list)
    values: dict[str, bytes] = field(default_factory=dict)
    shelf: Shelf = field(default_factory=Shelf)

    # --- the log

    def send(self, kind: type[Any], **fields: Any) -> list[Effect]:
        """Put an input into the log and fold it."""
        position = len(self.log) + 1
        return self.fold(kind("r", position, self.now, id=f"m{position}", **fields))

    def fold(self, message: Input) -> list[Effect]:
        """Fold an input; note what it asks of the world."""
        self.log.append(message)
        effects = step(self.program, self.run, message)
        self.effects += effects
        for effect in effects:
            self._note(effect)
        if self.checked:
            check(self.program, self.run, self.effects)
        if self.persist:
            self.reload()
        return effects

    def reload(self) -> None:
        """Save and load, as a new owner would."""
        if self.run.head is None:
            return
        encoded = [encode_cell(self.run, key) for key in self.run.cells]
        for cell in encoded:
            self.values.update(cell.values)
            assert set(cell.refs) <= set(self.values)
        bodies = [cell.body for cell in encoded]
        self.run = decode_run("r", bodies, self.values)
        again = [encode_cell(self.run, key).body for key in self.run.cells]
        assert [orjson.loads(body) for body in again] == [orjson.loads(body) for body in bodies]

    def _note(self, effect: Effect) -> None:
        match effect:
            case Dispatch():
                assert effect.attempt not in self.dispatched, "an attempt was dispatched twice"
                self.dispatched.append(effect.attempt)
                self.work[effect.attempt] = effect
            case Revoke():
                self.work.pop(effect.attempt, None)
                self.stopping.append(effect.attempt)
            case StopRun():
                self.children.pop(effect.attempt, None)
                self.stopping.append(effect.attempt)
            case Evaluate():
                self.asked[effect.ticket] = effect
            case StartRun():
                if effect.awaited:
                    self.children[effect.attempt] = effect
            case Subscribe():
                self.subscriptions[effect.subscription] = effect
            case Unsubscribe():
                self.subscriptions.pop(effect.subscription, None)
            case ContinueRun():
                self.slices.append(effect.generation)
            case _:
                pass

    # --- what can happen

    def start(self, data: Any = None, **fields: Any) -> list[Effect]:
        """The run begins."""
        return self.send(Start, digest="digest", input=data, **fields)

    def answer(self, attempt: str) -> list[Effect]:
        """A worker ends a task that is out."""
        dispatch = self.work.pop(attempt)
        try:
            output = self.body(dispatch)
        except Failure as failure:
            return self.send(Result, attempt=attempt, error=failure.error)
        return self.send(Result, attempt=attempt, output=output, started=self.now, ended=self.now, worker="w")

    def evaluate(self, ticket: str) -> list[Effect]:
        """The killable process answers."""
        asked = self.asked.pop(ticket)
        try:
            return self.send(Evaluated, ticket=ticket, value=self.shelf.answer(asked))
        except ExpressionFailed as error:
            return self.send(Evaluated, ticket=ticket, error=error.detail)

    def confirm(self, attempt: str, kind: StopKind = StopKind.KILLED) -> list[Effect]:
        """A revoked attempt has stopped."""
        self.stopping.remove(attempt)
        return self.send(Stopped, attempt=attempt, how=kind)

    def child(self, attempt: str, **outcome: Any) -> list[Effect]:
        """A child run ended."""
        self.children.pop(attempt)
        return self.send(Child, attempt=attempt, **outcome)

    def deliver(self, subscription: str, event: dict[str, Any], filter_index: int = 0) -> list[Effect]:
        """The correlator delivers the next event."""
        number = self.delivered[subscription] = self.delivered.get(subscription, 0) + 1
        return self.send(Event, subscription=subscription, n=number, filter=filter_index, event=event)

    @staticmethod
    def event(number: int) -> dict[str, Any]:
        """An event of the world: of three types in turn, now and then one that was published before."""
        same = number - 1 if number % 5 == 4 else number
        return {"specversion": "1.0", "id": str(same), "source": "/w", "type": "abc"[same % 3], "room": "r", "data": same}

    def wake(self) -> list[Effect]:
        """Time passes until the next alarm."""
        due = self.run.wake
        assert due is not None
        self.now = max(self.now, due)
        return self.send(Wake, cell="h", at=due)

    def pass_time(self, millis: int) -> None:
        """Time passes; nothing is said about it."""
        self.now += millis

    def control(self, verb: Verb, actor: str = "user:ada", **fields: Any) -> list[Effect]:
        """Somebody asks for something."""
        return self.send(Control, command=f"c{len(self.log)}", verb=verb, actor=actor, **fields)

    def choices(self) -> list[tuple[str, str]]:
        """What could happen next, in a stable order."""
        found = [("answer", key) for key in self.work]
        found += [("evaluate", key) for key in self.asked]
        found += [("confirm", key) for key in self.stopping]
        found += [("slice", str(generation)) for generation in self.slices]
        found += [("child", key) for key in self.children]
        found += [("event", key) for key in self.subscriptions if self._has_room(key)]
        if self.run.wake is not None and self.run.head is not None and not self.run.head.suspended:
            found.append(("wake", ""))
        return found

    def _has_room(self, subscription: str) -> bool:
        """Whether the correlator would deliver another event: without its window, one listener could be given all there are."""
        token = self.run.home.tokens.get(subscription)
        return token is None or not isinstance(token.state, ListenState) or len(token.state.queue) < WINDOW

    def happen(self, what: str, key: str) -> list[Effect]:
        """Let one of the choices happen."""
        match what:
            case "answer":
                return self.answer(key)
            case "evaluate":
                return self.evaluate(key)
            case "confirm":
                return self.confirm(key)
            case "slice":
                self.slices.remove(int(key))
                return self.send(Continue, generation=int(key))
            case "child":
                return self.child(key, output=key)
            case "event":
                return self.deliver(key, self.event(self.delivered.get(key, 0)))
            case _:
                return self.wake()

    def finish(self, limit: int = 10_000) -> "World":
        """Answer everything, first come first served, until nothing is left to happen."""
        for _ in range(limit):
            choices = self.choices()
            if not choices:
                return self
            self.happen(*choices[0])
        raise AssertionError("the run does not end")

    # --- what came of it

    @property
    def status(self) -> str:
        """The run's status."""
        assert self.run.head is not None
        return self.run.head.status.value

    @property
    def output(self) -> Any:
        """The run's output."""
        assert self.run.head is not None
        assert self.run.head.fin is not None
        return self.run.head.fin.output

    @property
    def error(self) -> Any:
        """The run's error."""
        assert self.run.head is not None
        assert self.run.head.fin is not None
        return self.run.head.fin.error

    @property
    def signals(self) -> list[str]:
        """``transition`` of the run and ``transition name`` of tasks, in order, without the ``workflow.`` and ``task.``."""
        return [
            f"{effect.type.value.partition('.')[2]} {effect.name}" if effect.name else effect.type.value
            for effect in self.effects
            if isinstance(effect, Signal)
        ]

    def of(self, kind: type[Any]) -> list[Any]:
        """All effects of a kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def ran(self, status: str = "completed") -> list[str]:
        """Names of the tasks that ended so, in order."""
        return [record.name for record in self.of(Record) if record.status == status]

    def refusals(self) -> list[str]:
        """Why inputs did nothing."""
        return [decision.reason for decision in self.of(Decision)]


class Failure(Exception):
    """What a body raises to fail its task."""

    def __init__(self, error: Mapping[str, Any] | None = None) -> None:
        """A problem, or a plain one."""
        super().__init__("failed")
        self.error = dict(error or {"type": "https://example.com/errors/broken", "status": 500, "title": "Broken"})


def outcome(tasks: list[Any], data: Any = None, body: Body | None = None, **parts: Any) -> World:
    """Run tasks to their end."""
    world = World(program_of(tasks, **parts), persist=True)
    if body is not None:
        world.body = body
    world.start(data)
    return world.finish()


__all__ = ["EPOCH", "Emit", "Failure", "ReportParent", "World", "outcome", "program_of"]
