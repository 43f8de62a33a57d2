"""How runs and tasks look to people and programs, made from the engine's state and records."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from tocsin.errors import NotFound
from tocsin_executor.application.waiting import Waiting
from tocsin_executor.domain.effects import Record
from tocsin_executor.domain.large import Large, load_document
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.remembered import counted
from tocsin_executor.domain.state import Head, Hold, RunState, Token
from tocsin_executor.domain.values import Json, Millis
from tocsin_executor.ports import RunMeta

_TASK_STATUS = {
    Hold.READY: "running",
    Hold.SENT: "running",
    Hold.CHILD: "running",
    Hold.TIMER: "waiting",
    Hold.LISTEN: "waiting",
    Hold.BACKOFF: "waiting",
    Hold.APPROVAL: "waiting",
    Hold.SCOPE: "running",
    Hold.EVALUATING: "running",
}


@dataclass(slots=True)
class RunView:
    """A run, as people and programs see it."""

    id: str
    namespace: str
    workflow: str
    version: str
    digest: str
    status: str
    labels: dict[str, str]
    created: Millis
    started: Millis | None = None
    ended: Millis | None = None
    input: Json = None
    output: Json = None
    error: dict[str, Json] | None = None
    context: Json = None
    parent: str | None = None
    trigger: dict[str, Json] | None = None
    actor: str | None = None
    correlation: str | None = None
    decisions: list[dict[str, Json]] = field(default_factory=list)
    parked: list[dict[str, Json]] = field(default_factory=list)

    @property
    def large(self) -> list[str]:
        """Fields whose value is stored apart."""
        return [name for name in ("input", "output", "context") if isinstance(getattr(self, name), Large)]


@dataclass(slots=True)
class TaskView:
    """One activation of a task."""

    activation: str
    name: str
    reference: str
    status: str
    attempt: int
    index: int | None = None
    created: Millis | None = None
    started: Millis | None = None
    ended: Millis | None = None
    input: Json = None
    output: Json = None
    error: dict[str, Json] | None = None
    worker: str | None = None
    large: list[str] = field(default_factory=list)
    done: int | None = None
    total: int | None = None


def instant(at: Millis | None) -> datetime | None:
    """Milliseconds as an aware datetime."""
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)


def view_of(run: str, state: RunState, meta: RunMeta) -> RunView:
    """The view of a run's state."""
    head: Head | None = state.head
    if head is None:
        raise NotFound(f"There is no run {run}.", run=run)
    return RunView(
        id=run,
        namespace=head.namespace,
        workflow=head.name,
        version=head.version,
        digest=head.digest,
        status=head.status.value,
        labels=head.labels,
        created=meta.created,
        started=head.started,
        ended=head.ended,
        input=head.input,
        output=head.fin.output if head.fin is not None else None,
        error=head.fin.error if head.fin is not None else None,
        context=head.context,
        parent=head.parent.run if head.parent is not None else None,
        trigger=meta.trigger,
        actor=meta.actor,
        correlation=meta.correlation,
        decisions=meta.decisions,
        parked=meta.parked,
    )


def view_of_waiting(waiting: Waiting) -> RunView:
    """The view of a run that waits for its limit, or was refused because of it."""
    error: dict[str, Json] | None = None
    if waiting.reason is not None:
        error = {"type": "about:blank", "status": 429, "title": waiting.reason[0], "detail": waiting.reason[1]}
    return RunView(
        id=waiting.run,
        namespace=waiting.namespace,
        workflow=waiting.workflow,
        version=waiting.version,
        digest=waiting.digest,
        status="cancelled" if waiting.state == "refused" else "pending",
        labels=waiting.labels,
        created=waiting.since,
        ended=waiting.ended,
        input=load_document(orjson.loads(waiting.start)).get("input"),
        error=error,
        parent=None if waiting.parent is None else waiting.parent.run,
        trigger=waiting.trigger,
        actor=waiting.actor,
        correlation=waiting.correlation,
    )


def finished_task(record: Record) -> TaskView:
    """The view of an activation that has just ended."""
    fields = {name: getattr(record, name) for name in RECORD_FIELDS}
    return task_of({**fields, "large": [name for name in ("input", "output") if isinstance(fields[name], Large)]})


RECORD_FIELDS = (
    "token",
    "name",
    "reference",
    "status",
    "attempts",
    "index",
    "created",
    "started",
    "ended",
    "input",
    "output",
    "error",
    "worker",
)


def task_of(record: dict[str, Json]) -> TaskView:
    """The view of a record."""
    return TaskView(
        activation=str(record["token"]),
        name=str(record["name"]),
        reference=str(record["reference"]),
        status=str(record["status"]),
        attempt=int(record["attempts"] or 0),  # type: ignore[arg-type]
        index=record["index"],  # type: ignore[arg-type]
        created=record["created"],  # type: ignore[arg-type]
        started=record["started"],  # type: ignore[arg-type]
        ended=record["ended"],  # type: ignore[arg-type]
        input=record["input"],
        output=record["output"],
        error=record["error"],  # type: ignore[arg-type]
        worker=record["worker"],  # type: ignore[arg-type]
        large=list(record.get("large") or ()),  # type: ignore[arg-type]
    )


def live_tasks_of(state: RunState, program: Program) -> list[TaskView]:
    """Views of the activations that are alive."""
    tokens: list[Token] = [token for cell in state.cells.values() for token in cell.tokens.values()]
    views = []
    for token in tokens:
        node = program.nodes[token.node]
        if node.silent:
            continue
        done, _, total = counted(token.state, len(token.kids or ())) or (None, None, None)
        scope = next((cell.scopes[token.scope] for cell in state.cells.values() if token.scope in cell.scopes), None)
        views.append(
            TaskView(
                activation=token.id,
                name=node.name,
                reference=node.ref,
                status=_TASK_STATUS[token.hold],
                attempt=token.attempt,
                index=scope.index if scope is not None else None,
                created=token.created,
                started=token.started,
                input=token.input,
                worker=token.worker,
                large=["input"] if isinstance(token.input, Large) else [],
                done=done,
                total=total,
            )
        )
    return views
