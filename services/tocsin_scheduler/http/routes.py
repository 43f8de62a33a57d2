"""All routes of the scheduler."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from tocsin.cesql import CesqlInvalid
from tocsin.schedules import CalendarInvalid, TimetableInvalid
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_kit.web import Authenticated, Call, Page, Permission, Reply, Route
from tocsin_scheduler.application import Schedules
from tocsin_scheduler.application.editing import value_of
from tocsin_scheduler.domain.foresight import simulate, upcoming
from tocsin_scheduler.domain.schedules import NotNow, Schedule, ScheduleInvalid
from tocsin_scheduler.domain.timetables import When
from tocsin_scheduler.http.foresight import ForeseenList, NextQuery, SimulationBody, SimulationQuery, SimulationView
from tocsin_scheduler.http.requests import cause_of, scope
from tocsin_scheduler.http.schemas import (
    PauseBody,
    PreviewBody,
    ScheduleBody,
    SchedulePath,
    ScheduleQuery,
    ScheduleView,
    Upcoming,
    wanted_of,
)
from tocsin_scheduler.http.timetables import when_of

READ = Permission("schedule:read")
WRITE = Permission("schedule:write")
PAUSE = Permission("schedule:pause")
FORESIGHT = timedelta(days=366 * 40)  # how far the next instants are looked for
SIMULATED = 2000  # schedules in one simulation
CALCULATES = Authenticated("it calculates with what it is given, and shows nothing of anyone")


class _Handlers:
    def __init__(self, schedules: Schedules, clock: Clock) -> None:
        self._schedules = schedules
        self._clock = clock

    async def put(self, call: Call) -> Reply:
        path = call.params(SchedulePath)
        wanted = wanted_of(path, call.body(ScheduleBody))
        entry, is_new = await self._schedules.put(
            wanted, expect=call.expected_revision, actor=call.principal.subject, cause=cause_of(call)
        )
        location = {"Location": f"/api/v1/schedules/{path.namespace}/{path.name}"} if is_new else {}
        return _shown(entry, status=201 if is_new else 200, headers=location)

    async def show(self, call: Call) -> Reply:
        path = call.params(SchedulePath)
        return _shown(await self._schedules.get(path.namespace, path.name))

    async def list(self, call: Call) -> Page[ScheduleView]:
        query = call.query(ScheduleQuery)
        search = scope(call, READ, query.namespace, status=query.status, workflow=query.workflow)
        page = await self._schedules.search(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[ScheduleView.of(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def delete(self, call: Call) -> None:
        path = call.params(SchedulePath)
        await self._schedules.delete(
            path.namespace, path.name, expect=call.expected_revision, actor=call.principal.subject, cause=cause_of(call)
        )

    async def pause(self, call: Call) -> Reply:
        path = call.params(SchedulePath)
        reason = call.body(PauseBody).reason
        entry = await self._schedules.pause(
            path.namespace, path.name, reason, actor=call.principal.subject, cause=cause_of(call)
        )
        return _shown(entry)

    async def resume(self, call: Call) -> Reply:
        path = call.params(SchedulePath)
        entry = await self._schedules.resume(path.namespace, path.name, actor=call.principal.subject, cause=cause_of(call))
        return _shown(entry)

    async def next(self, call: Call) -> ForeseenList:
        path = call.params(SchedulePath)
        schedule = value_of(await self._schedules.get(path.namespace, path.name))
        query = call.query(NextQuery)
        until = self._clock.now() + FORESIGHT
        found = await asyncio.to_thread(upcoming, schedule, until, query.duration, query.count)
        return ForeseenList.of(found, schedule.when.place)

    async def simulate(self, call: Call) -> SimulationView:
        query, body = call.query(SimulationQuery), call.body(SimulationBody)
        search = scope(call, READ, query.namespace)
        found: list[Schedule] = []
        cursor: str | None = None
        while len(found) < SIMULATED:
            page = await self._schedules.search(search, limit=500, cursor=cursor)
            found += [entry.value for entry in page.items if entry.value is not None]
            cursor = page.next_cursor
            if cursor is None:
                break
        until = self._clock.now() + timedelta(days=body.days)
        simulation = await asyncio.to_thread(simulate, found, until, body.durations, body.default_duration)
        return SimulationView.of(simulation, schedules=len(found), until=until, everything=cursor is None)

    async def preview(self, call: Call) -> Upcoming:
        body = call.body(PreviewBody)
        return _upcoming(when_of(body), body.from_ or self._clock.now(), body.count)


def _upcoming(when: When, after: datetime, count: int) -> Upcoming:
    place = when.place
    found: list[str] = []
    instant = when.next(after)
    while instant is not None and len(found) < count:
        found.append(instant.astimezone(place).isoformat())
        instant = when.next(instant)
    return Upcoming(next=found)


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
        Route(
            method="POST",
            path=f"{EVERYTHING}/simulate",
            access=READ,
            summary="What all schedules will do in the coming weeks: load by hour, crowds, overlaps",
            tags=TAGS,
            query=SimulationQuery,
            body=SimulationBody,
            response=SimulationView,
            handler=on.simulate,
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
            problems=(TimetableInvalid, ScheduleInvalid, CalendarInvalid, CesqlInvalid, NotNow),
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
            summary="The next instants of a schedule and what becomes of them; none while it is paused",
            tags=TAGS,
            params=SchedulePath,
            query=NextQuery,
            response=ForeseenList,
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
