"""Everything the engine asks of the world: the closed list of effects that ``step`` returns.

The runtime carries them out after the cycle, dispatches first. Each has an ``id`` that is a function of the state, so that
whoever has seen it can drop it. There is no "set timer": alarms are state. Values inside are the state's: nobody changes them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from tocsin_executor.domain.values import Json, Millis, Problem


class Transition(Enum):
    """The transitions that are signalled; values are ``<entity>.<transition>`` as in subjects."""

    WORKFLOW_STARTED = "workflow.started"
    WORKFLOW_SUSPENDED = "workflow.suspended"
    WORKFLOW_RESUMED = "workflow.resumed"
    WORKFLOW_CORRELATION_STARTED = "workflow.correlation-started"
    WORKFLOW_CORRELATION_COMPLETED = "workflow.correlation-completed"
    WORKFLOW_CANCEL_REQUESTED = "workflow.cancel-requested"
    WORKFLOW_MIGRATED = "workflow.migrated"
    WORKFLOW_CANCELLED = "workflow.cancelled"
    WORKFLOW_FAULTED = "workflow.faulted"
    WORKFLOW_COMPLETED = "workflow.completed"
    WORKFLOW_STATUS_CHANGED = "workflow.status-changed"
    TASK_CREATED = "task.created"
    TASK_STARTED = "task.started"
    TASK_SUSPENDED = "task.suspended"
    TASK_RESUMED = "task.resumed"
    TASK_RETRIED = "task.retried"
    TASK_CANCELLED = "task.cancelled"
    TASK_FAULTED = "task.faulted"
    TASK_COMPLETED = "task.completed"
    TASK_SKIPPED = "task.skipped"
    TASK_STATUS_CHANGED = "task.status-changed"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_REMINDED = "approval.reminded"
    APPROVAL_DELEGATED = "approval.delegated"
    APPROVAL_COUNTED = "approval.counted"
    APPROVAL_ANSWERED = "approval.answered"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_WITHDRAWN = "approval.withdrawn"
    TASK_ASSETS_REPORTED = "task.assets-reported"


@dataclass(slots=True)
class Dispatch:
    """Give a task to the workers of a queue. Subject ``executor.task.<queue>.<run>``.

    Attributes:
        run: Run id.
        attempt: ``<token>#<number>``; the fence. Effect id is ``<run>/<attempt>``.
        node: Index of the node in the program.
        queue: Queue name.
        runner: ``http``, ``script``, ``shell``, ``noop``, ...
        name: Task's name.
        reference: JSON pointer of the task in the definition.
        spec: What the runner reads: the evaluated ``with`` of a call, or ``script``/``shell`` object with ``return`` beside
            it. When ``variables`` is not ``None`` it is ``requests.Deferred`` as JSON instead.
        input: The task's transformed input, for a template only (else ``None``).
        variables: ``None`` when ``spec`` is evaluated; otherwise the template's variables, without ``secrets``.
        deadline: When the engine will give the attempt up, or ``None``.
        traceparent, detached: Trace context of the input that led here; whether the run does not wait for the end.
    """

    run: str
    attempt: str
    node: int
    queue: str
    runner: str
    name: str
    reference: str
    spec: Json
    input: Json
    variables: dict[str, Json] | None
    deadline: Millis | None
    traceparent: str | None
    detached: bool = False

    @property
    def id(self) -> str:
        """``<run>/<attempt>``."""
        return f"{self.run}/{self.attempt}"


@dataclass(slots=True)
class Revoke:
    """Stop an attempt, and confirm with a ``Stopped`` (or ``Result``) input. Subject ``executor.revoke.<queue>.<run>``."""

    run: str
    attempt: str
    queue: str
    grace: Millis

    @property
    def id(self) -> str:
        """``<run>/<attempt>!``."""
        return f"{self.run}/{self.attempt}!"


@dataclass(slots=True)
class Allow:
    """A call may send its run messages up to this number. On the subject of revocations, which every worker reads."""

    run: str
    attempt: str
    queue: str
    session: str
    upto: int

    @property
    def id(self) -> str:
        """``<run>/<attempt>+<upto>``."""
        return f"{self.run}/{self.attempt}+{self.upto}"


@dataclass(slots=True)
class Signal:
    """A transition happened. One dense ``sequence`` a run covers the run and its tasks.

    Attributes:
        run: Run id.
        sequence: Dense from 1.
        type: Which transition.
        token: Id of the task's activation, or ``None`` for the run itself.
        name: Task's name, or ``None``.
        reference: JSON pointer of the task, or ``None``.
        at: When (the input's time; for ``TASK_STARTED`` the worker's, if it said).
        data: More typed facts: ``error`` (a problem), ``attempt``, ``status``, ``reason``, ``actor``, ``keys``, ``consumed``,
            ``produced``; or ``None``.
    """

    run: str
    sequence: int
    type: Transition
    token: str | None
    name: str | None
    reference: str | None
    at: Millis
    data: dict[str, Json] | None

    @property
    def id(self) -> str:
        """``<run>/<sequence>``."""
        return f"{self.run}/{self.sequence}"


@dataclass(slots=True)
class Emit:
    """Publish a CloudEvent of the workflow (``events.<namespace>.<type>``), with its final ``id``, ``source``, ``time``."""

    run: str
    token: str
    event: dict[str, Json]

    @property
    def id(self) -> str:
        """``<run>/<token>``."""
        return f"{self.run}/{self.token}"


@dataclass(slots=True)
class StartRun:
    """Start a child run. ``child`` is derived from the attempt, so a repeat starts nothing twice.

    When ``awaited``, the child's end must come back as a ``Child`` input for ``attempt`` (see ``ReportParent``).
    """

    run: str
    attempt: str
    child: str
    namespace: str
    name: str
    version: str
    input: Json
    depth: int
    awaited: bool

    @property
    def id(self) -> str:
        """``<run>/<attempt>``."""
        return f"{self.run}/{self.attempt}"


@dataclass(slots=True)
class StopRun:
    """Cancel a child run; its end confirms."""

    run: str
    attempt: str
    child: str

    @property
    def id(self) -> str:
        """``<run>/<attempt>!``."""
        return f"{self.run}/{self.attempt}!"


@dataclass(slots=True)
class ReportParent:
    """This run, a child, is terminal: publish a ``Child`` input for the parent."""

    run: str
    parent: str
    attempt: str
    output: Json
    error: Problem | None
    cancelled: bool

    @property
    def id(self) -> str:
        """``<run>/parent``."""
        return f"{self.run}/parent"


@dataclass(slots=True)
class Subscribe:
    """Match events to this subscription from ``since`` on, and deliver each as an ``Event`` input, numbered from 1.

    Attributes:
        run: Run id.
        subscription: ``<token>``; effect id is ``<run>/<subscription>``.
        node: The ``listen`` in the program, whose filters are meant. An event that may meet one of them is delivered, once; the
            engine decides by itself.
        since: Events older than this are not meant.
        expected: Correlation values that are known, by ``<filter>/<name>``.
        variables: What conditions over events may use besides the event; ``None`` when that cannot be said in advance.
        after: Position by channel up to which earlier activations of the same task have consumed events.
    """

    run: str
    subscription: str
    node: int
    since: Millis
    expected: dict[str, Json]
    variables: dict[str, Json] | None
    after: dict[str, int]

    @property
    def id(self) -> str:
        """``<run>/<subscription>``."""
        return f"{self.run}/{self.subscription}"


@dataclass(slots=True)
class Unsubscribe:
    """Nobody waits for that subscription any more."""

    run: str
    subscription: str

    @property
    def id(self) -> str:
        """``<run>/<subscription>!``."""
        return f"{self.run}/{self.subscription}!"


@dataclass(slots=True)
class Evaluate:
    """Run an open expression in the killable process; answer with ``Evaluated``.

    Attributes:
        run: Run id.
        ticket: ``<token>/<site>/<number>``; repeated in the answer.
        expression: jq text, or a template (``template`` says which).
        value: What ``.`` is.
        variables: Values of the variables it names.
        template: The expression is data with ``${ }`` strings inside rather than one expression.
        schema: Check the value against this instead: the answer is what is wrong with it, or null.
        apart: Member of the answer, an object, that is to be stored apart rather than the whole.
        always: The answer is to be stored apart even if it is small.
        carried: The value is the address of an event's data: the answer is that data, or the address.
    """

    run: str
    ticket: str
    expression: Json
    value: Json
    variables: dict[str, Json]
    template: bool
    schema: Json = None
    apart: str | None = None
    always: bool = False
    carried: bool | None = None

    @property
    def id(self) -> str:
        """``<run>/<ticket>``."""
        return f"{self.run}/{self.ticket}"


@dataclass(slots=True)
class ContinueRun:
    """The step ran out of fuel: put a ``Continue`` input into the log."""

    run: str
    generation: int

    @property
    def id(self) -> str:
        """``<run>/continue/<generation>``."""
        return f"{self.run}/continue/{self.generation}"


@dataclass(slots=True)
class Record:
    """One finished activation of a task, for history and rerun; insert-only, saved with the cells.

    Attributes:
        run: Run id.
        token: Activation's id; with the run the record's key.
        scope: Id of the scope instance it ran in (``h:0`` is the root).
        key: Stable identity of the task across versions.
        reference: JSON pointer in the definition.
        name: Task's name.
        index: Index of the iteration or branch of its scope instance, or ``None``.
        status: ``completed``, ``faulted``, ``cancelled`` or ``skipped``.
        input: Transformed input.
        output: Transformed output, or ``None``.
        error: Problem, or ``None``.
        attempts: Attempts made.
        created, started, ended: When the activation was made, its body began (or ``None``), and it ended.
        worker: Who ran the last attempt, or ``None``.
        tried: See ``Instance.tried``.
    """

    run: str
    token: str
    scope: str
    key: str
    reference: str
    name: str
    index: int | None
    status: str
    input: Json
    output: Json
    error: Problem | None
    attempts: int
    created: Millis
    started: Millis | None
    ended: Millis
    worker: str | None
    tried: str = ""

    @property
    def id(self) -> str:
        """``<run>/<token>``."""
        return f"{self.run}/{self.token}"


@dataclass(slots=True)
class Decision:
    """Why an input did nothing. Kept for explanations (the last few of a run); never needed for correctness."""

    run: str
    input: str
    kind: str
    reason: str
    at: Millis

    @property
    def id(self) -> str:
        """``<run>/<input id>``."""
        return f"{self.run}/{self.input}"


@dataclass(slots=True)
class Reply:
    """The answer to a ``Control``."""

    run: str
    command: str
    accepted: bool
    reason: str | None

    @property
    def id(self) -> str:
        """``<run>/reply/<command>``."""
        return f"{self.run}/reply/{self.command}"


Effect: TypeAlias = (
    Dispatch
    | Revoke
    | Allow
    | Signal
    | Emit
    | StartRun
    | StopRun
    | ReportParent
    | Subscribe
    | Unsubscribe
    | Evaluate
    | ContinueRun
    | Record
    | Decision
    | Reply
)
