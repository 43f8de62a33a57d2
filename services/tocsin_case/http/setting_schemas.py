"""What is configured about cases, over the wire: types, calendars, policies, rotations, teams, templates, views and rules."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from tocsin.errors import Invalid
from tocsin_case.domain.escalation import LEVELS, TURNS, ActionKind, Begins, Until
from tocsin_case.domain.types import FieldKind, Priority, Stage, Strategy
from tocsin_case.ports import C
from tocsin_kit.web import Input

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=128)]
FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Tag = Annotated[str, Field(min_length=1, max_length=64)]
Person = Annotated[str, Field(min_length=1, max_length=256, description="`user:<name>`.")]
Within = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=3650), description="ISO 8601 duration, or seconds.")]
Text = Annotated[str, Field(max_length=64_000)]
FieldBody = str | int | float | bool | tuple[Annotated[str, Field(max_length=4000)], ...] | None
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", description="HH:MM.")]
M = TypeVar("M", bound=BaseModel)


class SettingPath(BaseModel):
    """Path of something configured."""

    namespace: Namespace
    name: Slug


class SettingQuery(Input):
    """Which namespace."""

    namespace: Namespace = "default"


class TargetsBody(Input):
    """What is promised, in business time."""

    response: Within | None = None
    update: Within | None = None
    resolution: Within | None = None


class StepBody(Input):
    """A way from one status to another."""

    to: Slug
    requires: tuple[Tag, ...] = Field(default=(), max_length=20, description="`resolution`, `owner`, `fields.<name>` ...")


class StatusBody(Input):
    """One status."""

    name: Slug
    stage: Stage = Field(description="What it means to clocks and escalations; clocks are held while `paused`.")
    steps: tuple[StepBody, ...] = Field(default=(), max_length=50)


class FieldSpecBody(Input):
    """One custom field."""

    name: FieldName
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    choices: tuple[Tag, ...] = Field(default=(), max_length=200)
    summary: str = Field(default="", max_length=400)


class PlaybookBody(Input):
    """A workflow that can be started from a case."""

    name: Slug
    workflow: Slug
    version: str | None = Field(default=None, max_length=64)
    input: JsonValue = Field(default=None, description="`${ .case.title }` is filled in; without it the input is the case.")
    on: tuple[Slug, ...] = Field(
        default=(), max_length=10, description="opened, recurred, warned, breached, resolved, reopened: starts by itself."
    )
    summary: str = Field(default="", max_length=400)


class CaseTypeBody(Input):
    """A type of cases."""

    title: str = Field(default="", max_length=200)
    initial: Slug = "open"
    statuses: tuple[StatusBody, ...] = Field(default=(), max_length=50, description="The standard ones unless given.")
    fields: tuple[FieldSpecBody, ...] = Field(default=(), max_length=100)
    open_fields: bool = Field(default=False, description="Whether cases may have fields that are not declared.")
    sla: dict[str, TargetsBody] = Field(default_factory=dict, max_length=5, description="By priority; `*` for the others.")
    calendar: Slug | None = Field(default=None, description="Business calendar of its clocks.")
    warn_at: float = Field(default=0.8, gt=0, le=1, description="Share of the time after which a clock warns; 1 for never.")
    escalation: Slug | None = None
    assign: Strategy = Strategy.NOBODY
    team: Slug | None = None
    queue: Slug | None = None
    rotation: Slug | None = Field(default=None, description="Who `assign: on-call` asks.")
    playbooks: tuple[PlaybookBody, ...] = Field(default=(), max_length=50)


class HoursBody(Input):
    """Business time on some weekdays."""

    days: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field(max_length=7, description="1 is Monday.")
    start: Clock = "09:00"
    end: Clock = "17:00"


class CalendarBody(Input):
    """A business calendar."""

    timezone: str = Field(default="UTC", max_length=64, description="IANA name.")
    hours: tuple[HoursBody, ...] = Field(min_length=1, max_length=50)
    holidays: tuple[date, ...] = Field(default=(), max_length=2000)
    yearly: tuple[Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")], ...] = Field(
        default=(), max_length=366, description="MM-DD."
    )
    ics: str | None = Field(default=None, max_length=500_000, description="An iCalendar file of holidays, read once.")


class ActionBody(Input):
    """One thing a level does."""

    kind: ActionKind
    to: tuple[Tag, ...] = Field(
        default=(), max_length=50, description="`user:<name>`, `team:<name>`, `on-call:<rotation>`, `owner`."
    )
    playbook: Slug | None = None


class LevelBody(Input):
    """One level of a chain."""

    after: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=366))]
    actions: tuple[ActionBody, ...] = Field(min_length=1, max_length=20)


class PolicyBody(Input):
    """An escalation policy."""

    begins: Begins = Begins.OPENED
    until: Until = Until.ACKNOWLEDGED
    levels: tuple[LevelBody, ...] = Field(min_length=1, max_length=LEVELS)
    repeat: int = Field(default=0, ge=0, le=TURNS, description="How often the chain begins anew after its last level.")
    repeat_after: Within = timedelta(minutes=30)
    business: bool = Field(
        default=False, description="Count business time: by the calendar of the case's team, else by that of its type."
    )


class WindowBody(Input):
    """Business time on one weekday."""

    weekday: int = Field(ge=0, le=6, description="0 is Monday.")
    start: int = Field(ge=0, le=1439, description="Minute of the day.")
    end: int = Field(ge=1, le=1440)


class LayerBody(Input):
    """People who take turns."""

    participants: tuple[Person, ...] = Field(min_length=1, max_length=100)
    start: date = Field(description="The local day of the first turn.")
    handover: int = Field(default=540, ge=0, le=1439, description="Minute of the local day at which turns change.")
    days: int = Field(default=7, ge=1, le=366, description="Length of a turn.")
    windows: tuple[WindowBody, ...] = Field(
        default=(), max_length=50, description="When the layer counts; always unless given."
    )


class OverrideBody(Input):
    """Somebody else, for some time."""

    who: Person
    start: AwareDatetime
    end: AwareDatetime


class RotationBody(Input):
    """Who is on call."""

    timezone: str = Field(default="UTC", max_length=64)
    layers: tuple[LayerBody, ...] = Field(min_length=1, max_length=10)
    overrides: tuple[OverrideBody, ...] = Field(default=(), max_length=500)


class TeamBody(Input):
    """People."""

    members: tuple[Person, ...] = Field(default=(), max_length=500, description="In the order of turns.")
    restricted: bool = Field(default=False, description="Whether cases of the team are seen by its members only.")
    calendar: Slug | None = Field(default=None, description="When it is at work, for escalations in business time.")


class TaskTemplateBody(Input):
    """A task of a template."""

    title: str = Field(min_length=1, max_length=200)
    description: Text = ""
    owner: Person | None = None
    due_in: Within | None = None
    after: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(), max_length=50, description="Numbers of earlier tasks.")
    playbook: Slug | None = None


class TemplateBody(Input):
    """A template of cases."""

    kind: Slug = "incident"
    title: str = Field(default="{title}", min_length=1, max_length=200)
    description: Text = ""
    priority: Priority | None = None
    severity: int | None = Field(default=None, ge=1, le=5)
    owner: Person | None = None
    team: Slug | None = None
    queue: Slug | None = None
    tags: tuple[Tag, ...] = Field(default=(), max_length=50)
    fields: dict[FieldName, FieldBody] = Field(default_factory=dict, max_length=100)
    promise: TargetsBody = Field(default_factory=TargetsBody)
    tasks: tuple[TaskTemplateBody, ...] = Field(default=(), max_length=100)
    start: tuple[Slug, ...] = Field(default=(), max_length=10, description="Playbooks that are started when it opens.")
    restricted: bool = False


class ViewBody(Input):
    """A search with a name."""

    title: str = Field(default="", max_length=200)
    query: dict[Slug, Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict, max_length=30, description="Parameters of the list of cases."
    )
    columns: tuple[Slug, ...] = Field(default=(), max_length=30)


class QuietBody(Input):
    """A time in which a rule opens nothing."""

    start: AwareDatetime
    end: AwareDatetime
    reason: str = Field(default="", max_length=400)


class RuleBody(Input):
    """A rule that opens cases."""

    signal: str = Field(
        default="run.faulted", min_length=1, max_length=128, description="Shell pattern over `<entity>.<transition>`."
    )
    subject: str = Field(
        default="*",
        min_length=1,
        max_length=256,
        description="Shell pattern over the name of the workflow, schedule, asset ...",
    )
    filter: str | None = Field(default=None, max_length=2000, description="CESQL; plain members of the data are `data<name>`.")
    recovery: str | None = Field(default=None, max_length=128, description="Signal that resolves the case.")
    dedupe: str | None = Field(default=None, max_length=256, description="What occurrences of one case have in common.")
    kind: Slug = "incident"
    template: Slug | None = None
    title: str | None = Field(default=None, max_length=200, description="With `{name}`, `{detail}`, `{signal}` in braces.")
    priority: Priority = Priority.NORMAL
    severity: int = Field(default=3, ge=1, le=5)
    owner: Person | None = None
    team: Slug | None = None
    queue: Slug | None = None
    tags: tuple[Tag, ...] = Field(default=(), max_length=50)
    fields: dict[FieldName, FieldBody] = Field(default_factory=dict, max_length=100)
    auto_resolve: bool = Field(default=True, description="Resolve the case when its cause is well again.")
    append: bool = Field(default=True, description="Count and link further occurrences while the case is active.")
    suppress: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=366))] = Field(
        default=timedelta(0), description="After a case has ended, open no other about the same thing for so long."
    )
    quiet: tuple[QuietBody, ...] = Field(default=(), max_length=100)
    promise: TargetsBody = Field(default_factory=TargetsBody)
    enabled: bool = True


class Named(BaseModel):
    """Where something configured is, and its name there."""

    namespace: str
    name: str


class CaseTypeView(CaseTypeBody, Named):
    """A type with its name."""


class CalendarView(Named):
    """A calendar with its name, as it is kept."""

    timezone: str
    windows: tuple[WindowBody, ...]
    holidays: tuple[date, ...]
    yearly: tuple[tuple[int, int], ...]


class PolicyView(PolicyBody, Named):
    """A policy with its name."""


class RotationView(RotationBody, Named):
    """A rotation with its name."""


class TeamView(TeamBody, Named):
    """A team with its name."""


class TemplateView(TemplateBody, Named):
    """A template with its name."""


class ViewView(ViewBody, Named):
    """A search with its name."""


class RuleView(RuleBody, Named):
    """A rule with its name."""


def domain_of(kind: type[C], path: SettingPath, body: Mapping[str, Any]) -> C:
    """What a request configures.

    Raises:
        Invalid: It does not fit.
    """
    try:
        made: C = TypeAdapter(kind).validate_python({**body, "namespace": path.namespace, "name": path.name})
    except ValidationError as error:
        raise Invalid(f"it does not fit: {error.errors()[0]['msg']}") from error
    return made


def view_of(view: type[M], kind: type[C], value: C) -> M:
    """What is shown of something configured."""
    return view.model_validate(TypeAdapter(kind).dump_python(value, mode="python"), from_attributes=True)
