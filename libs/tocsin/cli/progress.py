"""What is known about a run while one watches it: a snapshot of the API, brought forward by signals. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tocsin.cli.output import moment
from tocsin.client import Record
from tocsin.signals import CloudEvent

TERMINAL: Final = frozenset({"completed", "faulted", "cancelled"})
_ENDED: Final = TERMINAL | {"skipped"}

# What a transition makes of the status; the others (status-changed) carry it.
_STATUS: Final = {
    "created": "pending",
    "started": "running",
    "resumed": "running",
    "retried": "retrying",
    "suspended": "suspended",
    "cancelled": "cancelled",
    "faulted": "faulted",
    "completed": "completed",
    "skipped": "skipped",
    "cancel-requested": "cancelling",
}


@dataclass(slots=True)
class Activation:
    """One time that a task runs: in a loop there are many for one task."""

    status: str = "pending"
    attempt: int = 1
    started: datetime | None = None
    ended: datetime | None = None
    changed: datetime | None = None
    error: str | None = None
    part: tuple[int, int] | None = None
    """Of a `for` or `fork` that goes on: items or branches that have ended, and all."""


@dataclass(slots=True)
class TaskLine:
    """One task of the definition.

    Attributes:
        reference: JSON pointer into the definition.
        activations: By token, in order of their beginning.
    """

    reference: str
    activations: dict[str, Activation] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The task's own name, the last part of its pointer."""
        return self.reference.rpartition("/")[2].replace("~1", "/").replace("~0", "~")

    @property
    def latest(self) -> Activation:
        """The activation that began last."""
        return next(reversed(self.activations.values()), Activation())

    @property
    def status(self) -> str:
        """Of all activations together: what is live wins, then what failed."""
        present = [activation.status for activation in self.activations.values()]
        live = [status for status in present if status not in _ENDED]
        if live:
            return live[-1]
        return "faulted" if self.latest.status == "faulted" else self.latest.status

    @property
    def attempts(self) -> int:
        """The largest number of attempts of any activation."""
        return max((activation.attempt for activation in self.activations.values()), default=1)

    @property
    def part(self) -> tuple[int, int] | None:
        """How far the activation that goes on is, in items or branches, where the snapshot said so."""
        return next((a.part for a in reversed(self.activations.values()) if a.part and a.status not in _ENDED), None)

    def finished(self) -> int:
        """How many activations have ended."""
        return sum(activation.status in _ENDED for activation in self.activations.values())

    def elapsed(self, now: datetime) -> timedelta | None:
        """From the first beginning to the last end, or to now; ``None`` before it began."""
        begun = [a.started for a in self.activations.values() if a.started]
        if not begun:
            return None
        ended = [a.ended for a in self.activations.values() if a.ended]
        live = any(a.status not in _ENDED for a in self.activations.values())
        return (now if live or not ended else max(ended)) - min(begun)


class Progress:
    """A run and its tasks, as far as is known.

    Args:
        run: The run as the API shows it.
    """

    def __init__(self, run: Record) -> None:
        """Without tasks yet."""
        self.run = run
        self.status = str(run.get("status", "pending"))
        self.tasks: dict[str, TaskLine] = {}
        self._changed: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.status in TERMINAL

    def elapsed(self, now: datetime) -> timedelta | None:
        """How long it has been running, or ran."""
        begun = moment(self.run.get("started_at")) or moment(self.run.get("created_at"))
        ended = moment(self.run.get("ended_at"))
        return (ended or now) - begun if begun else None

    def refresh(self, run: Record, tasks: Iterable[Record]) -> None:
        """Replace what is known by a newer snapshot."""
        self.run = run
        self.status = str(run.get("status", self.status))
        self.load(tasks)

    def load(self, tasks: Iterable[Record]) -> None:
        """Take the tasks of a snapshot."""
        self.tasks.clear()
        for number, task in enumerate(tasks):
            reference = str(task.get("reference", ""))
            line = self.tasks.setdefault(reference, TaskLine(reference))
            attempt, error = task.get("attempt"), task.get("error")
            done, total = task.get("done"), task.get("total")
            started, ended = moment(task.get("started_at")), moment(task.get("ended_at"))
            key = task.get("activation") or task.get("id")
            line.activations[str(key) if key else f"#{number}"] = Activation(
                status=str(task.get("status", "pending")),
                attempt=attempt if isinstance(attempt, int) else 1,
                started=started,
                ended=ended,
                changed=ended or started,
                error=_title(error),
                part=(done, total) if isinstance(done, int) and isinstance(total, int) else None,
            )

    def apply(self, event: CloudEvent) -> bool:
        """Bring it forward by one signal; whether anything changed."""
        entity, transition = event.type.split(".")[-3:-1]
        data = event.payload if isinstance(event.payload, dict) else {}
        stated = data.get("status")
        status = _STATUS.get(transition) or (stated if isinstance(stated, str) else None)
        if status is None:
            return False
        if entity in {"workflow", "run"}:
            return self._apply_run(status, event.time)
        reference = data.get("task")
        if entity != "task" or not isinstance(reference, str):
            return False
        return self._apply_task(reference, status, event, _title(data.get("error")))

    def lines(self) -> Iterator[tuple[int, TaskLine]]:
        """The tasks with their depth, parents before children, in the order of the definition."""
        parents: list[str] = []
        for reference in sorted(self.tasks, key=_place):
            while parents and not reference.startswith(parents[-1] + "/"):
                parents.pop()
            yield len(parents), self.tasks[reference]
            parents.append(reference)

    def _apply_run(self, status: str, at: datetime | None) -> bool:
        if self.is_over or self.status == status or (at and self._changed and at < self._changed):
            return False
        self.status, self._changed = status, at or self._changed
        if status == "running" and at and not self.run.get("started_at"):
            self.run = {**self.run, "started_at": at.isoformat()}
        if status in TERMINAL and at:
            self.run = {**self.run, "ended_at": at.isoformat()}
        return True

    def _apply_task(self, reference: str, status: str, event: CloudEvent, error: str | None) -> bool:
        line = self.tasks.setdefault(reference, TaskLine(reference))
        token = event.text("activation") or event.text("token") or self._token(line, status, event.time)
        activation = line.activations.setdefault(token, Activation())
        if event.time and activation.changed and event.time < activation.changed:
            return False  # the snapshot knew more
        attempt = event.extensions.get("attempt")
        activation.status, activation.changed = status, event.time or activation.changed
        activation.attempt = attempt if isinstance(attempt, int) else activation.attempt + (status == "retrying")
        activation.error = error or activation.error
        if status == "running" and activation.started is None:
            activation.started = event.time
        if status in _ENDED:
            activation.ended = event.time
            activation.started = activation.started or event.time
        return True

    @staticmethod
    def _token(line: TaskLine, status: str, at: datetime | None) -> str:
        """Which activation a signal means that does not say: the last, or a new one when that has ended and this begins."""
        if not line.activations:
            return "#0"
        token = next(reversed(line.activations))
        last = line.activations[token]
        begins = status in {"pending", "running"} and last.status in _ENDED and not (at and last.changed and at < last.changed)
        return f"#{len(line.activations)}" if begins else token


def _place(reference: str) -> list[tuple[int, int, str]]:
    """Pointers in the order of the definition: numbers as numbers."""
    parts = reference.strip("/").split("/")
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _title(error: object) -> str | None:
    if not isinstance(error, dict):
        return error if isinstance(error, str) else None
    return str(error.get("detail") or error.get("title") or error.get("type") or "") or None
