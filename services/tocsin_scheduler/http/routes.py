"""All routes of the scheduler."""

from collections.abc import Sequence
from datetime import datetime

from tocsin.schedules import CalendarInvalid, TimetableInvalid
from tocsin.signals import Cause, root
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_kit.web import Authenticated, Call, Page, Permission, Reply, Route
from tocsin_scheduler.application import Schedules
from tocsin_scheduler.application.editing import value_of
from tocsin_scheduler.domain.schedules import NotNow, Schedule, ScheduleInvalid, Status
from tocsin_scheduler.domain.timetables import When
from tocsin_scheduler.http.schemas import (
    NextQuery,
    PauseBody,
    PreviewBody,
    ScheduleBody,
    SchedulePath,
    ScheduleQuery,
    ScheduleView,
    Upcoming,
    wanted_of,
    when_of,
)
from tocsin_scheduler.ports import ScheduleSearch

READ = Permission("schedule:read")
WRITE = Permission("schedule:write")
PAUSE = Permission("schedule:pause")
CALCULATES = Authenticated("it calculates with what it is given, and shows nothing of anyone")


class _Handlers:
    def __init__(self, schedules: Schedules, clock: Clock) -> None:
        self._schedules = schedules
        self._clock = clock

    async def put(self, call: Call) -> Reply:
        path = call.params(SchedulePath)
        wanted = wanted_of(path, call.body(ScheduleBody))
        entry, is_new = await self._schedules.put(
            wanted, expect=call.expected_revision, actor=call.principal.subject, cause=_cause(call)
        )
        location = {"Location": f"/api/v1/schedules/{path.namespace}/{path.name}"} if is_new else {}
        return _shown(entry, status=201 if is_new else 200, headers=location)

    async def show(self, call: Call) -> Reply:
        path = call.params(SchedulePath)
        return _shown(await self._schedules.get(path.namespace, path.name))

    async def list(self, call: Call) -> Page[ScheduleView]:
        query = call.query(ScheduleQuery)
        permitted = call.permitted(READ.name)
        if query.namespace is not None:
            namespaces: frozenset[str] | None = frozenset({query.namespace})
        else:
            namespaces = None if permitted.everywhere else permitted.exact
        search = ScheduleSearch(
            namespaces=namespaces,
            prefixes=() if query.namespace is not None else permitted.prefixes,
            status=query.status.value if query.status else None,
            workflow=query.workflow,
        )
        page = await self._schedules.search(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[ScheduleView.of(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def delete(self, call: Call) -> None:
        path = call.params(SchedulePath)
        await self._schedules.delete(
            path.namespace, path.name, expect=call.expected_revision, actor=call.principal.subject, cause=_cause(call)
        )

    async def pause(self, call: Call) -> Reply:
        path = call.params(SchedulePath)
        reason = call.body(PauseBody).reason
        entry = await self._schedules.pause(path.namespace, path.name, reason, actor=call.principal.subject, cause=_cause(call))
        return _shown(entry)

    async def resume(self, call: Call) -> Reply:
        path = call.params(SchedulePath)
        entry = await self._schedules.resume(path.namespace, path.name, actor=call.principal.subject, cause=_cause(call))
        return _shown(entry)

    async def next(self, call: Call) -> Upcoming:
        path = call.params(SchedulePath)
        schedule = value_of(await self._schedules.get(path.namespace, path.name))
        if schedule.status is not Status.ACTIVE:
            return Upcoming(next=[])
        return _upcoming(schedule.when, schedule.settled, call.query(NextQuery).count)

    async def preview(self, call: Call) -> Upcoming:
        body = call.body(PreviewBody)
        return _upcoming(when_of(body), body.from_ or self._clock.now(), body.count)


def _upcoming(when: When, after: datetime, count: int) -> Upcoming:
    place = when.timetable.place
    found: list[str] = []
    instant = when.next(after)
    while instant is not None and len(found) < count:
        found.append(instant.astimezone(place).isoformat())
        instant = when.next(instant)
    return Upcoming(next=found)


def _cause(call: Call) -> Cause:
    """The request is the cause."""
    return root(call.request_id, call.traceparent)


def _shown(entry: Entry[Schedule], status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(body=ScheduleView.of(entry), revision=value_of(entry).edition, status=status, headers=headers or {})


EVERYTHING = "/api/v1/schedules"
ONE = "/api/v1/schedules/{namespace}/{name}"
TAGS = ("schedules",)


def routes(schedules: Schedules, clock: Clock) -> Sequence[Route]:
    """What the scheduler serves."""
    on = _Handlers(schedules, clock)
    return (*_of_all(on), *_of_one(on), *_controls(on))


def _of_all(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path=EVERYTHING,
            access=READ,
            summary="Schedules, by name",
            tags=TAGS,
            query=ScheduleQuery,
            response=Page[ScheduleView],
            handler=on.list,
        ),
        Route(
            method="POST",
            path=f"{EVERYTHING}/preview",
            access=CALCULATES,
            summary="The next instants of a timetable, without making a schedule",
            tags=TAGS,
            body=PreviewBody,
            response=Upcoming,
            problems=(TimetableInvalid, CalendarInvalid),
            handler=on.preview,
        ),
    )


def _of_one(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="PUT",
            path=ONE,
            access=WRITE,
            summary="Make or change a schedule",
            tags=TAGS,
            params=SchedulePath,
            body=ScheduleBody,
            response=ScheduleView,
            also=(201,),
            problems=(TimetableInvalid, ScheduleInvalid, CalendarInvalid, NotNow),
            handler=on.put,
        ),
        Route(
            method="GET",
            path=ONE,
            access=READ,
            summary="A schedule",
            tags=TAGS,
            params=SchedulePath,
            response=ScheduleView,
            handler=on.show,
        ),
        Route(
            method="DELETE",
            path=ONE,
            access=WRITE,
            summary="Delete a schedule; runs that it started go on",
            tags=TAGS,
            params=SchedulePath,
            status=204,
            problems=(NotNow,),
            handler=on.delete,
        ),
    )


def _controls(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path=f"{ONE}/next",
            access=READ,
            summary="The next instants of a schedule; none while it is paused",
            tags=TAGS,
            params=SchedulePath,
            query=NextQuery,
            response=Upcoming,
            handler=on.next,
        ),
        Route(
            method="POST",
            path=f"{ONE}/pause",
            access=PAUSE,
            summary="Pause a schedule: it does not fire",
            tags=TAGS,
            params=SchedulePath,
            body=PauseBody,
            response=ScheduleView,
            problems=(NotNow,),
            handler=on.pause,
        ),
        Route(
            method="POST",
            path=f"{ONE}/resume",
            access=PAUSE,
            summary="Let a paused schedule fire again, from now on",
            tags=TAGS,
            params=SchedulePath,
            response=ScheduleView,
            handler=on.resume,
        ),
    )
