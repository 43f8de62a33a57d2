"""Why a run waits, over HTTP: every wait named, and the last inputs that were refused."""

from collections.abc import Callable, Collection, Mapping, Sequence

from pydantic import BaseModel, Field, JsonValue

from tocsin.errors import NotFound
from tocsin_executor.application.runs import Runs
from tocsin_executor.domain.explain import with_queues
from tocsin_executor.http.asking import permitted
from tocsin_executor.http.schemas import RunId
from tocsin_kit.web import Call, Permission, Route

READ = Permission("run:read")


class ExplanationOut(BaseModel):
    """Why a run is where it is."""

    id: str
    status: str
    waits: list[dict[str, JsonValue]] = Field(
        description="One entry for each reason: `for` says what (limit, worker, time, retry, approval, event, child, "
        "evaluation, confirmation, turn, resume), `detail` says it in a sentence, the others depend on it. Empty when the "
        "run has ended."
    )
    refused: list[dict[str, JsonValue]] = Field(description="The last inputs that changed nothing, and why.")


def explanation_routes(runs: Runs, served: Callable[[], Mapping[str, Collection[str]]] | None = None) -> Sequence[Route]:
    """``GET /api/v1/runs/{run}/explanation``. ``served`` says which queues have workers now, if anybody knows."""

    async def explanation(call: Call) -> ExplanationOut:
        view = await permitted(runs, call, READ.name)
        waits = await runs.explain(view.id)
        if served is not None:
            waits = with_queues(waits, served())
        return ExplanationOut(id=view.id, status=view.status, waits=waits, refused=view.decisions)

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
