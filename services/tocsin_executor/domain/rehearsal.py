"""Rehearsing a definition: one case of it in virtual time, with what its tasks would answer given beforehand.

The same fold as in the engine, in a world that is made of the case: workers answer what the case says, events come when a task
listens, people answer at once, and time jumps to the next alarm. Nothing is called, nothing is waited for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tocsin.expressions import ExpressionFailed
from tocsin_executor.domain import effects, inputs
from tocsin_executor.domain.deciding import bare, standing, wanted
from tocsin_executor.domain.evaluating import Shelf
from tocsin_executor.domain.explain import explain
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.remembered import ApprovalState
from tocsin_executor.domain.state import Hold, RunState, Token
from tocsin_executor.domain.step import step
from tocsin_executor.domain.values import Json, Millis

EPOCH: Millis = 1_767_225_600_000
"""When every rehearsal begins: 2026-01-01T00:00:00Z, so that expressions about time give the same each time."""

STEPS = 20_000
"""Inputs that a case may take."""

_RUN = "rehearsal"


class NotGiven(Exception):
    """The case says nothing about a task that was reached."""


@dataclass(slots=True)
class Outcome:
    """What came of a case.

    Attributes:
        status: Of the run; ``waiting`` when it waits for what the case does not give.
        output: Of the run.
        error: Of the run, or what the case lacks.
        tasks: The last status of each task that was reached, by name.
        waits: What it waits for.
        seconds: How long it took in virtual time.
    """

    status: str
    output: Json = None
    error: Mapping[str, Json] | None = None
    tasks: dict[str, str] = field(default_factory=dict)
    waits: list[dict[str, Json]] = field(default_factory=list)
    seconds: float = 0.0


class _World:
    def __init__(self, program: Program, given: Mapping[str, Json], events: list[Json]) -> None:
        self.program = program
        self.run = RunState(_RUN)
        self.now = EPOCH
        self.position = 0
        self.given = {name: list(answers) if isinstance(answers, list) else [answers] for name, answers in given.items()}
        self.events = events
        self.delivered: dict[str, int] = {}
        self.todo: list[effects.Effect] = []
        self.tasks: dict[str, str] = {}
        self.shelf = Shelf()

    def send(self, kind: Any, **fields: Any) -> None:  # any of the inputs
        self.position += 1
        for effect in step(self.program, self.run, kind(_RUN, self.position, self.now, **fields)):
            if isinstance(effect, effects.Record):
                self.tasks[effect.name] = effect.status
            else:
                self.todo.append(effect)

    def play(self, data: Json) -> None:
        self.send(inputs.Start, digest=self.program.digest, input=data)
        for _ in range(STEPS):
            if self.run.terminal or not (self._carry_out() or self._answer() or self._publish() or self._wait()):
                return

    def _carry_out(self) -> bool:
        """The next thing that the run asks of the world."""
        if not self.todo:
            return False
        match self.todo.pop(0):
            case effects.Dispatch() as work:
                self._work(work.name, work.reference, work.attempt, work.spec if work.runner == "noop" else None)
            case effects.StartRun() as child if child.awaited:
                token = self.run.home.tokens[child.attempt.partition("#")[0]]
                node = self.program.nodes[token.node]
                answer = self._given(node.name, node.ref)
                self.send(inputs.Child, attempt=child.attempt, output=answer.get("output"), error=answer.get("error"))
            case effects.Revoke() as revoke:
                self.send(inputs.Stopped, attempt=revoke.attempt, how=inputs.StopKind.GRACEFUL)
            case effects.StopRun() as stop:
                self.send(inputs.Child, attempt=stop.attempt, cancelled=True)
            case effects.Evaluate() as asked:
                try:
                    self.send(inputs.Evaluated, ticket=asked.ticket, value=self.shelf.answer(asked))
                except ExpressionFailed as failed:
                    self.send(inputs.Evaluated, ticket=asked.ticket, error=failed.detail)
            case effects.ContinueRun() as more:
                self.send(inputs.Continue, generation=more.generation)
            case effects.Subscribe() as listening:
                self.delivered[listening.subscription] = 0
            case effects.Unsubscribe() as listening:
                self.delivered.pop(listening.subscription, None)
            case _:
                pass
        return True

    def _work(self, name: str, reference: str, attempt: str, plain: Json) -> None:
        token = self.run.home.tokens.get(attempt.partition("#")[0])
        if token is None or token.hold is not Hold.SENT:
            return  # revoked before a worker had it
        answer = {"output": plain} if plain is not None and not self._knows(name, reference) else self._given(name, reference)
        self.now += _millis(answer.get("seconds"))
        self.send(inputs.Result, attempt=attempt, output=answer.get("output"), error=answer.get("error"), ended=self.now)

    def _answer(self) -> bool:
        """People answer what the case has an answer to."""
        for token in self.run.home.tokens.values():
            node = self.program.nodes[token.node]
            if token.hold is Hold.APPROVAL and self._knows(node.name, node.ref):
                answer = self._given(node.name, node.ref)
                asked, before = _asked(token), len(_asked(token).answers)
                actor, given = "user:case", answer.get("output")
                if wanted(asked.request) is not None:  # each answer is another person's
                    done = {bare(str(one["person"])) for one in asked.answers}
                    names = [bare(name) for name in standing(asked.request, asked.delegations).names]
                    actor = f"user:{next((name for name in names if name not in done), f'case-{before}')}"
                    given = {"answer": given, "person": actor}
                command = {"command": f"answer:{token.id}:{before}", "verb": inputs.Verb.ANSWER, "actor": actor}
                self.send(inputs.Control, **command, token=token.id, output=given)
                if token.id in self.run.home.tokens and token.hold is Hold.APPROVAL and len(asked.answers) == before:
                    raise NotGiven(f"the answer of the case to '{node.name}' does not fit its form")
                return True
        return False

    def _publish(self) -> bool:
        """The next event of the case reaches everyone who listens."""
        if not self.events or not self.delivered:
            return False
        event = self.events.pop(0)
        for subscription in tuple(self.delivered):
            if subscription in self.delivered:
                self.delivered[subscription] += 1
                number = self.delivered[subscription]
                self.send(inputs.Event, subscription=subscription, n=number, filter=0, event=_event(event, number))
        return True

    def _wait(self) -> bool:
        """Time passes until the next alarm."""
        due = self.run.wake
        if due is None:
            return False
        self.now = max(self.now, due)
        self.send(inputs.Wake, cell="h", at=due)
        return True

    def _knows(self, name: str, reference: str) -> bool:
        return bool(self.given.get(reference) or self.given.get(name))

    def _given(self, name: str, reference: str) -> dict[str, Any]:
        """What the case says a task answers: the last of several stays."""
        answers = self.given.get(reference) or self.given.get(name)
        if not answers:
            raise NotGiven(f"the case does not say what task '{name}' ({reference}) answers")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if not isinstance(answer, dict) or not answer.keys() & {"output", "error"}:
            raise NotGiven(f"what the case says of task '{name}' has neither 'output' nor 'error'")
        return answer


def _asked(token: Token) -> ApprovalState:
    return token.state if isinstance(token.state, ApprovalState) else ApprovalState({}, 0)


def rehearse(program: Program, case: Mapping[str, Json]) -> Outcome:
    """Play one case.

    Args:
        program: The definition.
        case: ``input``; ``tasks``: by name or reference ``{"output"|"error", "seconds"}``, or several for its attempts;
            ``events``: CloudEvents, in the order in which they come.
    """
    given, events = case.get("tasks"), case.get("events")
    world = _World(program, given if isinstance(given, Mapping) else {}, list(events) if isinstance(events, list) else [])
    lacking: str | None = None
    try:
        world.play(case.get("input", {}))
    except NotGiven as error:
        lacking = str(error)
    head = world.run.head
    fin = head.fin if head is not None and world.run.terminal else None
    found = Outcome(
        status="incomplete" if lacking is not None else head.status.value if head is not None else "pending",
        output=None if fin is None else world.shelf.load(fin.output),
        error={"detail": lacking} if lacking is not None else None if fin is None else fin.error,
        tasks=dict(world.tasks),
        seconds=(world.now - EPOCH) / 1000,
    )
    if not world.run.terminal:
        found.waits = explain(program, world.run)
    return found


def complaints(case: Mapping[str, Json], outcome: Outcome) -> list[str]:
    """What is not as the case expects: ``status`` (``completed`` if not given), ``output``, parts of ``error``, ``tasks``."""
    wanted = case.get("expect")
    expected: Mapping[str, Json] = wanted if isinstance(wanted, Mapping) else {}
    wrong: list[str] = []
    status = expected.get("status", "faulted" if "error" in expected else "completed")
    if outcome.status != status:
        why = "" if outcome.error is None else f": {outcome.error.get('detail') or outcome.error.get('title')}"
        waits = "".join(f"; {wait.get('detail')}" for wait in outcome.waits)
        wrong.append(f"the run is {outcome.status} and should be {status}{why}{waits}")
    if "output" in expected and outcome.output != expected["output"]:
        wrong.append(f"the output is {outcome.output!r} and should be {expected['output']!r}")
    error = expected.get("error")
    for name, value in (error if isinstance(error, Mapping) else {}).items():
        held = (outcome.error or {}).get(name)
        if held != value:
            wrong.append(f"the error's {name} is {held!r} and should be {value!r}")
    tasks = expected.get("tasks")
    for name, value in (tasks if isinstance(tasks, Mapping) else {}).items():
        held = outcome.tasks.get(name, "never")
        if held != value:
            wrong.append(f"task '{name}' is {held} and should be {value}")
    return wrong


def _event(event: Json, number: int) -> dict[str, Json]:
    given = event if isinstance(event, dict) else {}
    return {"specversion": "1.0", "id": f"event-{number}", "source": "/case", **given}


def _millis(seconds: Json) -> Millis:
    return round(seconds * 1000) if isinstance(seconds, int | float) and not isinstance(seconds, bool) else 0
