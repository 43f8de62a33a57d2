"""What a run took, from its signals: how long, how much of it was waiting and how much work, for each of its tasks too.

A pure fold, so that everything here can be made anew from the signals that are kept.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from tocsin_observer.domain.alert_rules import workflow_named

ENDS: Final = frozenset({"completed", "faulted", "cancelled"})
_TASKS: Final = 200  # different tasks of a run that are told apart; the others count as one
OTHERS: Final = "(others)"
_PAUSED: Final = frozenset({"waiting", "suspended", "pending"})
_NOISE: Final = (
    (re.compile(r"[0-9a-z]{26}"), "#"),
    (re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*"), "#"),
    (re.compile(r"\d+(?:\.\d+)?"), "#"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "'…'"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """One task of a run, all its iterations together.

    Attributes:
        task: JSON pointer to it in the definition.
        count: How often it ran.
        retries: How often it was tried again.
        faulted: How often it ended with an error.
        wait: From its creation to its start, and while it listened, paused or was suspended, all together.
        work: From its start to its end without that, all together.
        longest: The longest work of one iteration.
    """

    task: str
    count: int
    retries: int
    faulted: int
    wait: timedelta
    work: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A run that has ended.

    Attributes:
        run: Its id.
        namespace: Where it belongs.
        workflow: Its workflow.
        version: Of the definition.
        status: How it ended.
        started_at: When it started.
        ended_at: When it ended.
        busy: How long at least one of its tasks was at work.
        error: Type of its error.
        told: Title and detail of its error.
        cluster: What errors that are the same but for numbers and names have in common.
        tasks: Its tasks.
        whole: Whether all its signals were there.
    """

    run: str
    namespace: str
    workflow: str
    version: str | None
    status: str
    started_at: datetime
    ended_at: datetime
    busy: timedelta
    error: str | None
    told: str | None
    cluster: str | None
    tasks: tuple[TaskFacts, ...]
    whole: bool

    @property
    def duration(self) -> timedelta:
        """From start to end."""
        return self.ended_at - self.started_at

    @property
    def waiting(self) -> timedelta:
        """How long none of its tasks was at work: in queues, listening, or pausing."""
        return max(self.duration - self.busy, timedelta(0))


@dataclass(slots=True)
class _Task:
    count: int = 0
    retries: int = 0
    faulted: int = 0
    wait: timedelta = timedelta(0)
    work: timedelta = timedelta(0)
    longest: timedelta = timedelta(0)


@dataclass(slots=True)
class _Fold:
    created: dict[tuple[str, str], datetime] = field(default_factory=dict)
    started: dict[tuple[str, str], datetime] = field(default_factory=dict)
    paused: dict[tuple[str, str], datetime] = field(default_factory=dict)
    begun: set[tuple[str, str]] = field(default_factory=set)
    spans: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    tasks: dict[str, _Task] = field(default_factory=dict)

    def take(self, event: "_Said", transition: str, at: datetime) -> None:
        """One signal of a task."""
        data = event.data
        name = str(data.get("task", ""))
        if name not in self.tasks and len(self.tasks) >= _TASKS:
            name = OTHERS
        task = self.tasks.setdefault(name, _Task())
        key = (str(data.get("task", "")), event.activation)
        if transition in {"status-changed", "suspended", "resumed"}:
            transition = "paused" if transition == "suspended" or data.get("status") in _PAUSED else "resumed"
        if transition == "created":
            self.created[key] = at
        elif transition == "started":
            if key not in self.begun:
                self.begun.add(key)
                task.count += 1
                task.wait += max(at - self.created.pop(key, at), timedelta(0))
            self._waited(task, key, at)
            self.started[key] = at
        elif transition == "retried":
            task.retries += 1
        elif transition == "paused" and key in self.started:
            self._worked(task, key, at)
            self.paused[key] = at
        elif transition == "resumed" and key in self.paused:
            self._waited(task, key, at)
            self.started[key] = at
        elif transition in ENDS:
            task.faulted += transition == "faulted"
            self._waited(task, key, at)
            self._worked(task, key, at)

    def _worked(self, task: _Task, key: tuple[str, str], at: datetime) -> None:
        began = self.started.pop(key, None)
        if began is not None:
            self.spans.append((key[0], began, at))
            task.work += at - began
            task.longest = max(task.longest, at - began)

    def _waited(self, task: _Task, key: tuple[str, str], at: datetime) -> None:
        task.wait += max(at - self.paused.pop(key, at), timedelta(0))

    def busy(self) -> timedelta:
        """How long at least one task was at work itself; one that holds others works through them."""
        holding = {above for name in self.tasks.keys() | {name for name, _, _ in self.spans} for above in _above(name)}
        return covered((begin, end) for name, begin, end in self.spans if name not in holding)

    def facts(self) -> tuple[TaskFacts, ...]:
        """What is known of the tasks."""
        return tuple(_facts(name, task) for name, task in self.tasks.items())


def _above(name: str) -> Iterator[str]:
    """What a task may lie in: the beginnings of its pointer."""
    while name := name.rpartition("/")[0]:
        yield name


def _facts(name: str, task: _Task) -> TaskFacts:
    plain = {one: getattr(task, one) for one in _Task.__slots__}
    return TaskFacts(task=name, **plain)


@dataclass(slots=True)
class _Said:
    """What facts are made of, of one signal; a signal of ours, so nothing of it is checked again."""

    sequence: int
    at: datetime | None
    type: str
    namespace: str
    activation: str
    data: dict[str, Any]


def facts_of(run: str, signals: Iterable[bytes]) -> RunFacts | None:
    """What is known of a run from its signals as JSON, in any order; ``None`` while it has not ended."""
    ordered = sorted((said for one in signals if (said := _said(one)) is not None), key=lambda said: said.sequence)
    fold, started, ended, status, version = _Fold(), None, None, "", None
    workflow, namespace, error = None, "", dict[str, Any]()
    for event in ordered:
        entity, transition = event.type.split(".")[-3:-1]
        at = event.at
        if at is None:
            continue
        if entity == "task":
            fold.take(event, transition, at)
        if entity not in {"workflow", "run"}:
            continue
        namespace, workflow = event.namespace or namespace, workflow_named(event.type, event.data) or workflow
        if transition == "started":
            started = started or at
            version = event.data.get("definition", {}).get("version") or version
        elif transition in ENDS:
            ended, status = at, transition
            error = event.data.get("error") or {}
    if ended is None or workflow is None:
        return None
    numbers = {event.sequence for event in ordered if event.sequence}
    told = ": ".join(str(error[name]) for name in ("title", "detail") if error.get(name)) or None
    return RunFacts(
        run=run,
        namespace=namespace,
        workflow=workflow,
        version=version,
        status=status,
        started_at=started or ended,
        ended_at=ended,
        busy=fold.busy(),
        error=str(error["type"])[:256] if error.get("type") else None,
        told=told[:500] if told else None,
        cluster=cluster_of(str(error.get("type") or ""), told or "") if error else None,
        tasks=fold.facts(),
        whole=len(numbers) == max(numbers, default=-1),
    )


def _said(signal: bytes) -> _Said | None:
    """What a signal of a run says; ``None`` for anything else."""
    try:
        event = orjson.loads(signal)
        if "/runs/" not in event["source"] or event["type"].count(".") < 2:
            return None
        time, sequence, data = event.get("time"), event.get("sequence", ""), event.get("data")
        return _Said(
            sequence=int(sequence) if sequence.isdecimal() else 0,
            at=datetime.fromisoformat(time) if time else None,
            type=event["type"],
            namespace=event.get("namespace") or "",
            activation=str(event.get("activation", "")),
            data=data if isinstance(data, dict) else {},
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def covered(spans: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """How long at least one of the spans held."""
    total, until = timedelta(0), None
    for begin, end in sorted(spans):
        if until is None or begin > until:
            total += end - begin
            until = end
        elif end > until:
            total += end - until
            until = end
    return total


def cluster_of(kind: str, text: str) -> str:
    """An error without what differs from one occurrence to the next: numbers, ids, quoted names."""
    for pattern, instead in _NOISE:
        text = pattern.sub(instead, text)
    return f"{kind.rsplit('/', 1)[-1]}: {text.strip()}"[:300]
