"""What a runner gets and gives: a task with its attempt, and an outcome."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from tocsin.errors import Invalid
from tocsin_executor.domain.large import load_document
from tocsin_executor.domain.values import ErrorKind, Json, Problem, problem
from tocsin_executor.worker.redaction import Redaction

VALUE_LIMIT = 16 * 1024 * 1024
"""Bytes of JSON that an output may have at most; larger values belong into a store of their own, referred to by a URI."""


@dataclass(slots=True)
class Task:
    """One attempt of one task.

    Attributes:
        run: Run id.
        attempt: The fence: its result counts only while this attempt is the current one.
        runner: Kind of runner.
        name: Task's name.
        reference: Its JSON pointer in the definition.
        namespace: The run's namespace.
        spec: What is to be done, evaluated; or a template, when ``variables`` is given.
        input: The task's transformed input, for a template.
        variables: Values for the template, or ``None``.
        deadline: When the engine gives it up, milliseconds since the epoch, or ``None``.
        traceparent: Trace context, or ``None``.
        reply: Subject of the run's inputs.
        say: Keeps a line of output: ``say(stream, line)``.
        killed: Its process did not end by itself when it was asked to.
        secrets: Values by name, while the attempt is in hand.
        later: Expressions that the runner evaluates, by name.
        redaction: Knows what must not leave.
        send: Sends a message to the run while the attempt goes on, when the run has room for it.
        detached: Its run does not wait for it.
    """

    run: str
    attempt: str
    runner: str
    name: str
    reference: str
    namespace: str
    spec: Json
    input: Json
    variables: dict[str, Json] | None
    deadline: int | None
    traceparent: str | None
    reply: str
    say: Callable[[str, str], None] = field(default=lambda _stream, _line: None)
    killed: bool = False
    secrets: dict[str, Json] = field(default_factory=dict, repr=False)
    later: dict[str, str] = field(default_factory=dict)
    redaction: Redaction = field(default_factory=Redaction, repr=False)
    send: Callable[[Json], Awaitable[None]] | None = None
    detached: bool = False

    @property
    def key(self) -> str:
        """What tells this attempt from all others."""
        return f"{self.run}/{self.attempt}"


@dataclass(slots=True)
class Outcome:
    """How an attempt ended: an output, or an error."""

    output: Json = None
    error: Problem | None = None


class Runner(Protocol):
    """Does one kind of work."""

    async def run(self, task: Task) -> Outcome:
        """Do it. A cancel means: stop what was begun, really, and only then let the cancellation pass."""
        ...


class Failed(Exception):
    """The work came to an error that the workflow shall see."""

    def __init__(self, kind: ErrorKind, detail: str, *, status: int | None = None, title: str | None = None) -> None:
        super().__init__(detail)
        self.problem = problem(kind, detail, status=status, title=title)


class TakenOver(Exception):  # no error: another worker has the attempt, and what this one says counts no more
    """This worker was silent for so long that its attempt went to another one, which has ended what was here."""


def read_task(payload: bytes) -> Task:
    """The task of a dispatch.

    Raises:
        Invalid: It is not one.
    """
    try:
        d: dict[str, Any] = load_document(orjson.loads(payload))
        return Task(
            d["run"],
            d["attempt"],
            d["runner"],
            d["name"],
            d["reference"],
            d["namespace"],
            d["spec"],
            d["input"],
            d["variables"],
            d["deadline"],
            d["traceparent"],
            d["reply"],
            detached=d.get("detached", False),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Invalid(f"A dispatch is not a task: {error}") from error
