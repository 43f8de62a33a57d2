"""Why a run waits, over HTTP: every wait named, and the last inputs that were refused."""

from collections.abc import Sequence

from pydantic import BaseModel, Field, JsonValue

from tocsin.errors import NotFound
from tocsin_executor.application.runs import Runs
from tocsin_executor.http.asking import permitted
from tocsin_executor.http.schemas import RunId
from tocsin_kit.web import Call, Permission, Route

READ = Permission("run:read")


class ExplanationOut(BaseModel):
    """Why a run is where it is."""

    id: str
    status: str
    waits: list[dict[str, JsonValue]] = Field(
        description="One entry for each reason: `for` says what (worker, time, retry, event, child, evaluation, confirmation, "
        "turn, resume), `detail` says it in a sentence, the other fields depend on it. Empty when the run has ended."
    )
    refused: list[dict[str, JsonValue]] = Field(description="The last inputs that changed nothing, and why.")


def explanation_routes(runs: Runs) -> Sequence[Route]:
    """``GET /api/v1/runs/{run}/explanation``."""

    async def explanation(call: Call) -> ExplanationOut:
        view = await permitted(runs, call, READ.name)
        return ExplanationOut(id=view.id, status=view.status, waits=await runs.explain(view.id), refused=view.decisions)

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
