"""What tasks print, live: server-sent events until the run has ended."""

from collections.abc import AsyncIterator, Sequence

from tocsin.errors import NotFound
from tocsin_executor.application.following import Ended, Piece, Pieces, follow
from tocsin_executor.application.runs import Runs
from tocsin_executor.http.asking import permitted
from tocsin_executor.http.schemas import RunId
from tocsin_kit.clock import Clock
from tocsin_kit.web import Call, EventStream, Permission, Route, ServerEvent


def log_routes(runs: Runs, pieces: Pieces, clock: Clock) -> Sequence[Route]:
    """``GET /api/v1/runs/{run}/logs/stream``."""

    async def stream(call: Call) -> EventStream:
        view = await permitted(runs, call, "task:read")
        after = call.last_event_id or ""
        known = after if after.startswith(f"{view.id}/") else ""
        return EventStream(events=_events(follow(runs, pieces, view.id, clock, after=known)))

    return (
        Route(
            method="GET",
            path="/api/v1/runs/{run}/logs/stream",
            access=Permission("task:read"),
            summary="What the tasks of a run print, live, until it has ended; resumes behind Last-Event-ID",
            description="Events `lines` hold some lines each, as in the list of logs; the last event is `end` with the status.",
            tags=("runs",),
            params=RunId,
            media_type="text/event-stream",
            seconds=None,
            problems=(NotFound,),
            handler=stream,
        ),
    )


async def _events(found: AsyncIterator[Piece | Ended]) -> AsyncIterator[ServerEvent]:
    async for one in found:
        if isinstance(one, Ended):
            yield ServerEvent({"status": one.status}, event="end")
            return
        lines = [
            {"task": x.task, "reference": x.reference, "attempt": x.attempt, "stream": x.stream, "line": x.line}
            for x in one.lines
        ]
        yield ServerEvent({"lines": lines}, id=one.id, event="lines")
