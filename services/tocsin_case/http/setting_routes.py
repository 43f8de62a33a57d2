"""Routes of everything configured about cases: one shape for all of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Generic

from pydantic import AwareDatetime, BaseModel

from tocsin.errors import Invalid, Violation
from tocsin.schedules import read_ics
from tocsin_case.application import Settings
from tocsin_case.domain.calendars import BusinessCalendar
from tocsin_case.domain.escalation import Policy, Team
from tocsin_case.domain.oncall import Rotation, on_call, shifts
from tocsin_case.domain.rules import Rule
from tocsin_case.domain.templates import CaseTemplate, SavedView
from tocsin_case.domain.types import CaseType
from tocsin_case.http.asking import by
from tocsin_case.http.setting_schemas import (
    CalendarBody,
    CalendarView,
    CaseTypeBody,
    CaseTypeView,
    PolicyBody,
    PolicyView,
    RotationBody,
    RotationView,
    RuleBody,
    RuleView,
    SettingPath,
    SettingQuery,
    TeamBody,
    TeamView,
    TemplateBody,
    TemplateView,
    ViewBody,
    ViewView,
    domain_of,
    view_of,
)
from tocsin_case.ports import C
from tocsin_kit.web import Call, Input, Page, Permission, Reply, Route

READ, WRITE = Permission("case-rule:read"), Permission("case-rule:write")
VIEWS_READ, VIEWS_WRITE = Permission("case:read"), Permission("case:write")
WEEK = timedelta(days=7)


class ShiftView(BaseModel):
    """Who is on call from when to when."""

    start: AwareDatetime
    end: AwareDatetime
    who: str | None


class OnCallView(BaseModel):
    """Who is on call."""

    now: str | None
    shifts: list[ShiftView]


class OnCallQuery(Input):
    """Which time; a week from now unless given."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


def _plain(body: Any) -> Mapping[str, Any]:
    return dict(body.model_dump(mode="python"))


@dataclass(frozen=True, slots=True)
class _Shape(Generic[C]):
    """One kind of thing: its domain type, its words, its models, and how its body is read."""

    kind: type[C]
    plural: str
    what: str
    body: type[BaseModel]
    view: type[BaseModel]
    read: Callable[[Any], Mapping[str, Any]] = _plain


class _Handlers(Generic[C]):
    def __init__(self, settings: Settings, shape: _Shape[C]) -> None:
        self._settings, self._kind, self._body, self._view, self._read = (
            settings,
            shape.kind,
            shape.body,
            shape.view,
            shape.read,
        )

    async def put(self, call: Call) -> Reply:
        value = domain_of(self._kind, call.params(SettingPath), self._read(call.body(self._body)))
        entry = await self._settings.put(value, by=by(call), expect=call.expected_revision)
        return Reply(body=self._shown(entry.value), revision=entry.revision)

    async def show(self, call: Call) -> Reply:
        path = call.params(SettingPath)
        entry = await self._settings.get(self._kind, path.namespace, path.name)
        return Reply(body=self._shown(entry.value), revision=entry.revision)

    async def list(self, call: Call) -> Page[Any]:
        found = await self._settings.of_namespace(self._kind, call.query(SettingQuery).namespace)
        page: Page[Any] = Page[self._view](items=[self._shown(value) for value in found])  # type: ignore[name-defined]
        return page

    async def delete(self, call: Call) -> None:
        path = call.params(SettingPath)
        await self._settings.delete(self._kind, path.namespace, path.name, by=by(call))

    def _shown(self, value: C | None) -> BaseModel:
        assert value is not None, "stored"
        return view_of(self._view, self._kind, value)


def _calendar(body: CalendarBody) -> Mapping[str, Any]:
    """Hours by weekday, and the days of an iCalendar file beside those that were listed."""
    windows = [
        {"weekday": day - 1, "start": _minutes(hours.start), "end": _minutes(hours.end)}
        for hours in body.hours
        for day in sorted(set(hours.days))
    ]
    for number, hours in enumerate(body.hours):
        if _minutes(hours.start) >= _minutes(hours.end):
            wrong = Violation(f"/hours/{number}/end", "it ends before it begins", "Write two: until 24:00, and from 00:00.")
            raise Invalid(f"hours from {hours.start} to {hours.end} are none", hint=wrong.hint, violations=[wrong])
    days = set(body.holidays)
    yearly = {_yearly(text, number) for number, text in enumerate(body.yearly)}
    if body.ics is not None:
        read = read_ics(body.ics)
        days |= read.dates
        yearly |= read.yearly
    return {"timezone": body.timezone, "windows": windows, "holidays": sorted(days), "yearly": sorted(yearly)}


def _yearly(text: str, number: int) -> tuple[int, int]:
    try:
        day = date.fromisoformat(f"2000-{text}")  # a leap year
    except ValueError:
        wrong = Violation(f"/yearly/{number}", f"{text} is no day of any year")
        raise Invalid(wrong.detail, violations=[wrong]) from None
    return day.month, day.day


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def setting_routes(settings: Settings) -> Sequence[Route]:
    """Everything configured, below ``/api/v1/cases``."""
    return (
        *_routes(settings, _Shape(CaseType, "types", "a type of cases", CaseTypeBody, CaseTypeView)),
        *_routes(settings, _Shape(BusinessCalendar, "calendars", "a business calendar", CalendarBody, CalendarView, _calendar)),
        *_routes(settings, _Shape(Policy, "escalations", "an escalation policy", PolicyBody, PolicyView)),
        *_routes(settings, _Shape(Rotation, "rotations", "an on-call rotation", RotationBody, RotationView)),
        *_routes(settings, _Shape(Team, "teams", "a team", TeamBody, TeamView)),
        *_routes(settings, _Shape(CaseTemplate, "templates", "a template of cases", TemplateBody, TemplateView)),
        *_routes(settings, _Shape(SavedView, "views", "a saved view", ViewBody, ViewView)),
        *_routes(settings, _Shape(Rule, "rules", "a rule that opens cases", RuleBody, RuleView)),
        *_on_call(settings),
    )


def _on_call(settings: Settings) -> Sequence[Route]:
    async def shown(call: Call) -> OnCallView:
        path, query = call.params(SettingPath), call.query(OnCallQuery)
        entry = await settings.get(Rotation, path.namespace, path.name)
        assert entry.value is not None, "found"
        since = query.since or call.received_at
        found = shifts(entry.value, since, query.until or since + WEEK)
        items = [ShiftView(start=shift.start, end=shift.end, who=shift.who) for shift in found]
        return OnCallView(now=on_call(entry.value, call.received_at), shifts=items)

    return (
        Route(
            method="GET",
            path="/api/v1/cases/rotations/{namespace}/{name}/on-call",
            access=READ,
            summary="Who is on call, now and later",
            tags=("case rotations",),
            params=SettingPath,
            query=OnCallQuery,
            response=OnCallView,
            handler=shown,
        ),
    )


def _routes(settings: Settings, shape: _Shape[C]) -> Sequence[Route]:
    kind, plural, what, body, view = shape.kind, shape.plural, shape.what, shape.body, shape.view
    on = _Handlers(settings, shape)
    path, tags = f"/api/v1/cases/{plural}", (f"case {plural}",)
    one = f"{path}/{{namespace}}/{{name}}"
    reading, writing = (VIEWS_READ, VIEWS_WRITE) if kind is SavedView else (READ, WRITE)
    page: type[BaseModel] = Page[view]  # type: ignore[valid-type]  # made for each kind
    return (
        Route(
            method="GET",
            path=path,
            access=reading,
            summary=f"All {plural} of a namespace, by name",
            tags=tags,
            query=SettingQuery,
            response=page,
            handler=on.list,
        ),
        Route(
            method="PUT",
            path=one,
            access=writing,
            summary=f"Make or change {what}",
            tags=tags,
            params=SettingPath,
            body=body,
            response=view,
            handler=on.put,
        ),
        Route(
            method="GET",
            path=one,
            access=reading,
            summary=f"Show {what}",
            tags=tags,
            params=SettingPath,
            response=view,
            handler=on.show,
        ),
        Route(
            method="DELETE",
            path=one,
            access=writing,
            summary=f"Delete {what}; cases stay as they are",
            tags=tags,
            params=SettingPath,
            status=204,
            handler=on.delete,
        ),
    )
