"""Live runs and versions over HTTP."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from tocsin.errors import NotFound
from tocsin_executor.application.migrations import LOOKED_AT, Migrations
from tocsin_executor.application.runs import RunAlreadyDone, Runs
from tocsin_executor.http.asking import noted, permitted
from tocsin_executor.http.schemas import RunId, RunOut, VersionName, VersionQuery, WorkflowId
from tocsin_kit.web import Call, Input, Permission, Reply, Route

_SHOWN = 200


class ReportQuery(VersionQuery):
    """Of which version a report is to be, and how long."""

    limit: Annotated[int, Field(ge=1, le=LOOKED_AT, description="Runs that are listed.")] = _SHOWN


class MoveBody(Input):
    """Where a run is moved."""

    version: VersionName | None = Field(None, description="The version published last if not given.")
    reason: Annotated[str, Field(max_length=2048)] | None = None


class MovableOut(BaseModel):
    """One live run."""

    run: str
    version: str
    blocked: list[str] = Field(description="Why it cannot be moved; empty when it can.")


class ReportOut(BaseModel):
    """What a migration of all live runs would do; nothing is moved."""

    version: str = Field(description="To which version.")
    live: int = Field(description="Live runs of other versions that were looked at.")
    safe: int
    blocked: int
    reasons: dict[str, int] = Field(description="How many runs are held back by each reason.")
    runs: list[MovableOut] = Field(description="Oldest first, as many as are asked for.")
    more: bool = Field(description="There are more live runs than were looked at.")


def migration_routes(runs: Runs, migrations: Migrations) -> Sequence[Route]:
    """``/api/v1/workflows/{namespace}/{name}/migration`` and ``/api/v1/runs/{run}/migrate``."""

    async def report(call: Call) -> ReportOut:
        params = call.params(WorkflowId)
        query = call.query(ReportQuery)
        found = await migrations.dry_run(params.namespace, params.name, query.version)
        return ReportOut(
            version=found.version,
            live=len(found.runs),
            safe=found.safe,
            blocked=len(found.runs) - found.safe,
            reasons=dict(found.reasons.most_common(50)),
            runs=[MovableOut(run=one.run, version=one.version, blocked=list(one.blocked)) for one in found.runs[: query.limit]],
            more=found.more,
        )

    async def move(call: Call) -> Reply:
        view = await permitted(runs, call, "run:migrate")
        body = call.body(MoveBody)
        after = await migrations.move(view, body.version, actor=call.principal.subject, reason=body.reason)
        return noted(call, view, after, asked="migrate", reason=body.reason)

    return (
        Route(
            method="GET",
            path="/api/v1/workflows/{namespace}/{name}/migration",
            access=Permission("run:read"),
            summary="Which live runs of other versions could be moved to this one; nothing is moved",
            tags=("workflows",),
            params=WorkflowId,
            query=ReportQuery,
            response=ReportOut,
            problems=(NotFound,),
            handler=report,
        ),
        Route(
            method="POST",
            path="/api/v1/runs/{run}/migrate",
            access=Permission("run:migrate"),
            summary="Move a live run to another version, if its position exists there",
            tags=("runs",),
            params=RunId,
            body=MoveBody,
            response=RunOut,
            status=202,
            problems=(NotFound, RunAlreadyDone),
            handler=move,
        ),
    )
