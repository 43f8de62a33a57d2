"""Why a run is where it is, over HTTP: every wait named, what turned it, and the last inputs that were refused."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field, JsonValue

from tocsin.errors import NotFound
from tocsin_executor.application.reading import Reading
from tocsin_executor.application.runs import Runs
from tocsin_executor.application.workers import Workers, served_queues
from tocsin_executor.domain.explain import with_queues
from tocsin_executor.domain.values import Json
from tocsin_executor.http.asking import permitted
from tocsin_executor.http.schemas import RunId
from tocsin_kit.web import Call, Permission, Route

READ = Permission("run:read")


class TurnOut(BaseModel):
    """Something that made a run go another way than forward."""

    at: str
    what: str = Field(description="`retried`, `skipped`, `suspended`, `migrated`, `cancel-requested`, `refused`, `faulted`.")
    task: str | None = Field(description="Reference of the task, where it is about one.")
    attempt: int | None = Field(description="Which attempt begins.")
    by: str | None = Field(description="Who asked for it.")
    reason: str | None

    @classmethod
    def of(cls, event: Mapping[str, Json]) -> "TurnOut":
        """What a signal says of it."""
        data = event.get("data")
        facts = data if isinstance(data, dict) else {}
        error, attempt = facts.get("error"), event.get("attempt")
        reason = event.get("reason") or facts.get("reason") or facts.get("detail")
        if reason is None and isinstance(error, dict):
            reason = ": ".join(str(error[part]) for part in ("title", "detail") if error.get(part))
        if "delegate" in facts:
            reason = ": ".join(filter(None, (f"from {facts.get('delegator')} to {facts['delegate']}", _text(reason))))
        return cls(
            at=str(event.get("time")),
            what=str(event.get("type")).split(".")[-2],
            task=_text(facts.get("task")),
            attempt=attempt if isinstance(attempt, int) else None,
            by=_text(event.get("authid")),
            reason=_text(reason),
        )


def _text(value: Json) -> str | None:
    return None if value is None else str(value)


class ExplanationOut(BaseModel):
    """Why a run is where it is."""

    id: str
    status: str
    waits: list[dict[str, JsonValue]] = Field(
        description="One entry for each reason: `for` says what (limit, worker, time, retry, approval, event, child, "
        "evaluation, confirmation, turn, resume), `detail` says it in a sentence, the others depend on it. Empty when the "
        "run has ended."
    )
    happened: list[TurnOut] = Field(
        description="Why it was tried again, skipped, suspended, moved, cancelled, refused or faulted."
    )
    refused: list[dict[str, JsonValue]] = Field(description="The last inputs that changed nothing, and why.")


def explanation_routes(runs: Runs, reading: Reading, workers: Workers | None = None) -> Sequence[Route]:
    """``GET /api/v1/runs/{run}/explanation``. ``workers`` are those that are there now, if anybody knows."""

    async def explanation(call: Call) -> ExplanationOut:
        view = await permitted(runs, call, READ.name)
        waits = await runs.explain(view.id)
        if workers is not None:
            there = workers.now()
            waits = with_queues(waits, served_queues(there), {worker.name for worker in there})
        happened = [TurnOut.of(event) for event in await reading.turns(view.namespace, view.id)]
        return ExplanationOut(id=view.id, status=view.status, waits=waits, happened=happened, refused=view.decisions)

    return (
        Route(
            method="GET",
            path="/api/v1/runs/{run}/explanation",
            access=READ,
            summary="Why a run waits",
            tags=("runs",),
            params=RunId,
            response=ExplanationOut,
            handler=explanation,
            problems=(NotFound,),
        ),
    )
