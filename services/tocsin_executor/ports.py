"""What the engine needs of the world, as protocols; ``wiring`` chooses who provides it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tocsin_executor.domain.codec import Encoded
from tocsin_executor.domain.effects import Record
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.questions import Question
from tocsin_executor.domain.values import Json, Millis


class Entry(Protocol):
    """One message of the log."""

    position: int
    time_ms: int
    subject: str
    payload: bytes


class InputLog(Protocol):
    """The engine's inputs, in the order of the log."""

    @property
    def generation(self) -> int:
        """How often it was opened: which opening the entries that were taken last belong to."""
        ...

    async def open(self, subjects: Sequence[str], after: int) -> None:
        """Read these subjects from ``after + 1`` on; nothing that was read before is taken any more."""
        ...

    async def take(self, limit: int = ...) -> Sequence[Entry]:
        """What waits, at least one, in order."""
        ...

    async def close(self) -> None:
        """Stop reading."""
        ...


class EventEntry(Entry, Protocol):
    """One message of a stream of events."""

    headers: bytes


class EventLog(Protocol):
    """A stream of events, in order."""

    async def open(self, subjects: Sequence[str], after: int, *, since_ms: Millis | None = ...) -> None:
        """Read these subjects from ``after + 1`` on, or from a time on; none: stop reading."""
        ...

    async def take(self, limit: int = ...) -> Sequence[EventEntry]:
        """What waits, in order; none after :meth:`interrupt`."""
        ...

    def interrupt(self) -> None:
        """Let whoever waits in :meth:`take` look around."""
        ...


class Sent(Protocol):
    """A group of messages on its way."""

    async def stored(self) -> None:
        """Return when all of it is stored; raises as :meth:`Publisher.publish_group`."""
        ...


class Publisher(Protocol):
    """Stores groups of messages."""

    def begin_group(self, messages: Sequence[tuple[str, bytes]]) -> Sent | None:
        """Send a group before this returns; ``None``, with nothing sent, where that is not possible at once."""
        ...

    async def publish_group(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Store these, in order, all in one stream; returns when all are stored.

        Raises:
            Unavailable: Not all were acknowledged; publish all again.
        """
        ...


@dataclass(slots=True)
class RunMeta:
    """What is known of a run besides its state; kept beside it.

    Attributes:
        partition: Where its inputs are.
        created: When its start was accepted.
        correlation: The flow it belongs to (``correlationid``).
        actor: Who started it.
        trigger: What started it: ``{"kind", "name", "event"}``, or ``None``.
        decisions: The last refused inputs and why.
        parked: Inputs that met a defect and were put aside: ``{"position", "error"}``.
        slots: Limits that it holds until it ends.
    """

    partition: int
    created: Millis
    correlation: str
    actor: str | None = None
    trigger: dict[str, Json] | None = None
    decisions: list[dict[str, Json]] = field(default_factory=list)
    parked: list[dict[str, Json]] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Listening:
    """A subscription of a run, as it is kept beside it for the next owner of the partition.

    Attributes:
        run: The run.
        token: The activation of the ``listen``.
        node: Its index in the program.
        namespace: Whose events it hears.
        digest: The program.
        since: Events older than this are not meant.
        expected: Correlation values that are known.
        variables: What conditions may use; ``None`` if that is unknown.
        cursors: Number of the last delivery that was folded, by channel.
        after: Position of that event, by channel.
    """

    run: str
    token: str
    node: int
    namespace: str
    digest: str
    since: Millis
    expected: dict[str, Json]
    variables: dict[str, Json] | None
    cursors: dict[str, int]
    after: dict[str, int]


Heard = Mapping[str, tuple[int, Millis]]
"""Up to where all events of a channel have been matched and folded: position and the broker's time."""


@dataclass(slots=True)
class StoredRun:
    """A run as it was saved.

    Attributes:
        run: Its id.
        digest: Its definition.
        meta: See there.
        bodies: Its cells.
        values: Large values they refer to.
        listens: Its subscriptions.
        position: Of the last input that it had met.
    """

    run: str
    digest: str
    meta: RunMeta
    bodies: list[bytes]
    values: dict[str, bytes]
    listens: list[Listening] = field(default_factory=list)
    position: int = 0


@dataclass(slots=True)
class RunSummary:
    """What lists show of a run and filters ask for."""

    namespace: str
    name: str
    version: str
    digest: str
    status: str
    labels: dict[str, str]
    started: Millis | None
    ended: Millis | None
    parent: str | None
    error: str | None = None
    questions: list[Question] = field(default_factory=list)


@dataclass(slots=True)
class RunSave:
    """What is to be saved of one run."""

    run: str
    meta: RunMeta
    summary: RunSummary
    cells: list[Encoded]
    wake: Millis | None
    records: list[Record]
    position: int
    listens: list[Listening] | None = None
    """Its subscriptions; ``None`` for a run that never had any."""
    large: list[str] = field(default_factory=list)
    """Digests of all large values that it ever had."""


@dataclass(frozen=True, slots=True)
class DetachedTask:
    """A task that its run does not wait for.

    Attributes:
        run: Its run.
        partition: The run's.
        attempt: Its only attempt.
        subject: The queue's subject.
        payload: What the worker is given.
    """

    run: str
    partition: int
    attempt: str
    subject: str
    payload: bytes

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.run}/{self.attempt}"


@dataclass(slots=True)
class Save:
    """One save: everything that changed, and how far the log is folded.

    Attributes:
        runs: What changed.
        partitions: Partition to ``(epoch, position)``.
        heard: Partition to how far events are matched and folded.
        detached: Tasks that no run waits for, and that are new.
        settled: Keys of those that ended.
    """

    runs: list[RunSave]
    partitions: dict[int, tuple[int, int]]
    heard: dict[int, Heard] = field(default_factory=dict)
    detached: Sequence[DetachedTask] = ()
    settled: Sequence[str] = ()


class TaskQueues(Protocol):
    """The stream of tasks."""

    async def start(self) -> str:
        """Which start of the broker this is; another one may have lost tasks.

        Raises:
            Unavailable: The broker does not answer.
        """
        ...

    async def waiting(self) -> set[str]:
        """Keys of all tasks that are in the stream: at least those that are not settled.

        Raises:
            Unavailable: The broker does not answer.
        """
        ...


class Values(Protocol):
    """Where large values are, each once under the digest of its JSON."""

    async def keep(self, body: bytes) -> str:
        """Store a value that is about to be referred to; what is there already is not written again.

        Returns:
            Its digest.

        Raises:
            Unavailable: Not known to be stored.
        """
        ...

    async def read(self, digest: str) -> bytes:
        """The JSON of a value.

        Raises:
            NotFound: There is none.
            Unavailable: The store does not answer.
        """
        ...


class RunStore(Protocol):
    """Where runs are kept."""

    async def take_over(self, partition: int, epoch: int) -> int:
        """Become the owner of a partition; older epochs cannot save any more.

        Returns:
            The position up to which its log is folded and saved.

        Raises:
            Conflict: Someone owns it under a newer epoch.
        """
        ...

    async def load(self, runs: Sequence[str]) -> dict[str, StoredRun]:
        """Those of ``runs`` that there are, in one query."""
        ...

    async def save(self, save: Save) -> None:
        """Save all of it or nothing.

        Raises:
            Conflict: A partition has another owner now.
            Unavailable: Not known whether it was saved; save again.
        """
        ...

    async def listening(self, partitions: Sequence[int]) -> tuple[dict[int, Heard], list[Listening]]:
        """How far events are matched for these partitions, and all subscriptions of their runs."""
        ...

    async def alarms(self, partitions: Sequence[int]) -> list[tuple[Millis, str]]:
        """Least due time of each live run that has one."""
        ...

    async def going(self, partitions: Sequence[int]) -> list[str]:
        """Runs of these partitions that may have tasks with the workers."""
        ...

    async def detached(self, partitions: Sequence[int]) -> tuple[dict[int, str], list[DetachedTask]]:
        """For which start of the broker lost tasks of these partitions were looked for; and their detached tasks."""
        ...

    async def looked(self, partition: int, epoch: int, start: str) -> None:
        """Lost tasks of a partition were looked for; nothing where somebody else owns it."""
        ...


class Programs(Protocol):
    """Compiled definitions."""

    def cached(self, digest: str) -> Program | None:
        """The program, if it is in memory."""
        ...

    async def load(self, digest: str) -> Program:
        """The program of this digest.

        Raises:
            NotFound: No such definition.
        """
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """One published version of a workflow."""

    version: str
    digest: str
    published_at: datetime
    published_by: str | None
    approved_by: str | None = None  # where it was proposed by one and published by another


@dataclass(frozen=True, slots=True)
class Workflow:
    """A named workflow: pointers from its versions to immutable definitions."""

    namespace: str
    name: str
    versions: tuple[Version, ...]

    def find(self, version: str | None) -> Version | None:
        """The version of that name; without a name the one published last."""
        if version is None:
            return self.versions[-1] if self.versions else None
        return next((known for known in self.versions if known.version == version), None)


class Metrics(Protocol):
    """What the engine counts."""

    def cycle(self, inputs: int, effects: int, seconds: float) -> None:
        """One cycle was folded."""
        ...

    def saved(self, runs: int, seconds: float) -> None:
        """One save was committed."""
        ...


Labels = Mapping[str, str]
