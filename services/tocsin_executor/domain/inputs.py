"""Everything that can happen to a run: the closed list of inputs that ``step`` folds.

An input is a message of the partition's log, decoded. All carry their position and the broker's timestamp, which is the only
time the engine knows. An input that does not apply any more (a stale attempt, a closed subscription) changes nothing and is
answered with a ``Decision``.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from tocsin_executor.domain.values import Json, Millis, Problem


@dataclass(slots=True)
class Message:
    """What every input has.

    Attributes:
        run: Id of the run it is for.
        pos: Position in the partition's log (stream sequence), strictly increasing.
        ts: Broker's timestamp.
        id: Id of the message, derived from its cause by the sender.
        cause: Id of what caused it (``causationid`` of the signals it leads to), or ``None``.
        traceparent: W3C trace context, or ``None``.
        actor: Who asked (``user:ada``), where a person or program did.
    """

    run: str
    pos: int
    ts: Millis
    id: str = field(kw_only=True, default="")
    cause: str | None = field(kw_only=True, default=None)
    traceparent: str | None = field(kw_only=True, default=None)
    actor: str | None = field(kw_only=True, default=None)


@dataclass(slots=True)
class Parent:
    """The run and attempt that started this run, and waits for it."""

    run: str
    attempt: str


@dataclass(slots=True)
class Start(Message):
    """Begin the run. Refused when the run exists, terminal ones included.

    Attributes:
        digest: Digest of the definition; the caller hands ``step`` the program of that digest.
        input: The workflow's raw input.
        seed: Any number; all jitter of the run comes from it.
        parent: The run that waits for this one, or ``None``.
        depth: Runs above this one.
        labels: For people and filters.
        reuse: Outputs of an earlier run to take instead of doing the work (``reuse.Plan``), or ``None``.
        origin: That earlier run.
    """

    digest: str
    input: Json
    seed: int = 0
    parent: Parent | None = None
    depth: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    reuse: dict[str, dict[str, list[Json]]] | None = None
    origin: str | None = None


@dataclass(slots=True)
class Claimed(Message):
    """A worker holds the attempt. Sent only for tasks that still run after a while."""

    attempt: str
    worker: str
    at: Millis


@dataclass(slots=True)
class Result(Message):
    """The attempt ended: ``output``, or ``error`` (never both).

    Attributes:
        attempt: Attempt id as dispatched (``h:7#1``). Not current: refused as stale; asked to stop: counts as confirmation.
        output: Raw output of the task.
        error: A problem with ``type``, ``status`` and the rest; ``instance`` is set by the engine.
        started: When the body began, by the worker's clock, or ``None``.
        ended: When it ended, by the worker's clock, or ``None``.
        worker: Who did it.
    """

    attempt: str
    output: Json = None
    error: Problem | None = None
    started: Millis | None = None
    ended: Millis | None = None
    worker: str | None = None


@dataclass(slots=True)
class Lost(Message):
    """The attempt's worker is gone (its lease ran out): the task is dispatched again under a new attempt, within a limit."""

    attempt: str
    why: str


class StopKind(Enum):
    """How a revoked attempt came to its end."""

    GRACEFUL = "graceful"
    KILLED = "killed"
    NEVER_STARTED = "never_started"


@dataclass(slots=True)
class Stopped(Message):
    """A revoked attempt runs no more."""

    attempt: str
    how: StopKind


@dataclass(slots=True)
class Event(Message):
    """The correlator matched an event to a subscription.

    Attributes:
        subscription: Id from the ``Subscribe`` effect.
        n: Number of the delivery for that subscription, dense from 1; anything but the cursor + 1 is refused.
        filter: Index of the filter that the correlator selected it by; a hint, since the engine decides on its own.
        event: The CloudEvent, attributes and ``data``.
        channel: ``events`` or ``signals``; each has numbers of its own.
        at: Position of the event in its stream.
    """

    subscription: str
    n: int
    filter: int
    event: dict[str, Json]
    channel: str = "events"
    at: int = 0


@dataclass(slots=True)
class Streamed(Message):
    """A call that subscribes to messages has one.

    Attributes:
        attempt: The call's; not current: refused as stale.
        session: Who sends: a worker's subscription. Another one, which begins with its first message, takes the place of this.
        n: Number in the session, dense from 1.
        value: The message.
    """

    attempt: str
    session: str
    n: int
    value: Json


@dataclass(slots=True)
class Wake(Message):
    """An alarm of a cell may be due. Fires what is due at ``now``; nothing due is not an error.

    Attributes:
        cell: Key of the cell (``h`` is the head).
        at: The due time the owner saw.
    """

    cell: str
    at: Millis


@dataclass(slots=True)
class Child(Message):
    """A child run ended: ``output``, or ``error``; cancelled children have ``cancelled`` set."""

    attempt: str
    output: Json = None
    error: Problem | None = None
    cancelled: bool = False


@dataclass(slots=True)
class Evaluated(Message):
    """The killable process answered an ``Evaluate`` effect: ``value``, or ``error`` (text)."""

    ticket: str
    value: Json = None
    error: str | None = None


@dataclass(slots=True)
class Continue(Message):
    """The next slice of a long step. Refused unless ``generation`` is current."""

    generation: int


class Verb(Enum):
    """What people and programs can ask of a run."""

    CANCEL = "cancel"
    SUSPEND = "suspend"
    RESUME = "resume"
    OVERRIDE = "override"
    SKIP = "skip"
    TERMINATE = "terminate"
    ANSWER = "answer"
    DELEGATE = "delegate"
    MIGRATE = "migrate"


@dataclass(slots=True)
class Control(Message):
    """A command to the run; answered with a ``Reply``.

    Attributes:
        command: Id of the command, repeated in the reply.
        verb: What is asked.
        reason: Why, in the asker's words.
        token: The task meant (``OVERRIDE``, ``SKIP``, ``ANSWER``, ``DELEGATE``): its activation, reference or name.
        output: The output to go on with (``OVERRIDE``), the answer (``ANSWER``; ``{"answer", "person"}`` where several are
            wanted), ``{"from", "to", "named"}`` (``DELEGATE``), or ``{"digest"}`` of the version to move to (``MIGRATE``, which
            is no matter of ``step``).
    """

    command: str
    verb: Verb
    reason: str | None = None
    token: str | None = None
    output: Json = None


Input: TypeAlias = Start | Claimed | Result | Lost | Stopped | Event | Streamed | Wake | Child | Evaluated | Continue | Control
