"""Cases over the wire."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from tocsin.errors import Invalid
from tocsin_case.application import Opening
from tocsin_case.domain.cases import Case, Link
from tocsin_case.domain.clocks import SlaClock
from tocsin_case.domain.types import Priority, Stage, Targets
from tocsin_case.http.setting_schemas import FieldBody, FieldName, Namespace, Person, Slug, Tag, TargetsBody, Text
from tocsin_kit.web import Input, PageQuery

CaseKey = Annotated[str, Field(min_length=26, max_length=26, pattern=r"^[0-9a-z]+$")]
# Controls, ends of lines, and marks that turn the direction of what follows: a title is one line in every list.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _line(text: str) -> str:
    line = " ".join(_UNSEEN.sub(" ", text).split())
    if not line:
        raise ValueError("says nothing")
    return line


Title = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
Severity = Annotated[int, Field(ge=1, le=5, description="1 is the worst.")]


class CaseId(BaseModel):
    """Path of a case."""

    case: CaseKey


class LinkBody(Input):
    """Something a case is about."""

    kind: Tag = Field(description="`run`, `asset`, `schedule`, `case` ...")
    target: str = Field(min_length=1, max_length=256)
    role: Tag = Field(default="about", description="`about`, `caused-by`, `parent`, `related`, `duplicate`.")


class CaseBody(Input):
    """A new case; what is left out is said by its template and its type."""

    namespace: Namespace = "default"
    title: Title
    kind: Slug | None = Field(default=None, description="Its type; `incident` unless given.")
    template: Slug | None = None
    description: Text | None = Field(default=None, description="Markdown.")
    priority: Priority | None = None
    severity: Severity | None = None
    owner: Person | None = None
    team: Slug | None = None
    queue: Slug | None = None
    tags: tuple[Tag, ...] = Field(default=(), max_length=50)
    fields: dict[FieldName, FieldBody] = Field(default_factory=dict, max_length=100)
    links: tuple[LinkBody, ...] = Field(default=(), max_length=50)
    restricted: bool = Field(default=False, description="Seen by owner, opener, team and members only.")
    members: tuple[Person, ...] = Field(default=(), max_length=100)
    promise: TargetsBody = Field(default_factory=TargetsBody, description="Instead of what its type promises.")


class CasePatch(Input):
    """What can be changed; only the members that are sent are."""

    title: Title = "."
    description: Text = ""
    priority: Priority = Priority.NORMAL
    severity: Severity = 3
    owner: Person | None = None
    team: Slug | None = None
    queue: Slug | None = None
    tags: tuple[Tag, ...] = Field(default=(), max_length=50)
    fields: dict[FieldName, FieldBody] = Field(default_factory=dict, max_length=100, description="`null` takes one away.")
    restricted: bool = False
    members: tuple[Person, ...] = Field(default=(), max_length=100)


class TransitionBody(Input):
    """Where to take a case."""

    status: Slug
    resolution: str | None = Field(default=None, min_length=1, max_length=4000, description="How it ended.")
    fields: dict[FieldName, FieldBody] = Field(default_factory=dict, max_length=100, description="Set by the way.")


class CaseQuery(PageQuery):
    """Filters over cases; all of them must hold."""

    namespace: Namespace | None = None
    view: Slug | None = Field(default=None, description="A saved view of the namespace; what is given beside it comes first.")
    status: tuple[Slug, ...] = Field(default=(), max_length=20)
    stage: tuple[Stage, ...] = Field(default=(), max_length=5)
    active: bool | None = None
    kind: Slug | None = None
    priority: tuple[Priority, ...] = Field(default=(), max_length=4)
    severity: int | None = Field(default=None, ge=1, le=5)
    owner: str | None = Field(default=None, max_length=256, description="`-` for nobody.")
    team: Slug | None = None
    queue: Slug | None = None
    tag: Tag | None = None
    link: str | None = Field(default=None, max_length=256, description="Target of a link, such as a run's id.")
    rule: str | None = Field(default=None, max_length=256, description="`<namespace>/<name>`.")
    field: tuple[Annotated[str, Field(max_length=512)], ...] = Field(default=(), max_length=10, description="`name=value`.")
    overdue: bool | None = Field(default=None, description="Whether a promise is broken and not yet kept.")
    opened_after: AwareDatetime | None = None
    opened_before: AwareDatetime | None = None
    text: str | None = Field(default=None, min_length=1, max_length=256, description="Words; `fail*` begins one.")
    sort: Literal["updated_at", "opened_at", "next_due"] | None = Field(
        default=None, description="`updated_at`, or `opened_at` where words or fields are looked for."
    )


class ClockView(BaseModel):
    """One promise."""

    target_s: float = Field(description="Business time that is promised.")
    due: datetime | None
    held_with_s: float | None = Field(description="Business time that was left when it was held.")
    warn_at: datetime | None
    warned: datetime | None
    met: datetime | None
    breached: datetime | None
    breaches: int
    resets: int

    @classmethod
    def of(cls, clock: SlaClock | None) -> "ClockView | None":
        """The view of a clock."""
        if clock is None:
            return None
        return cls(
            target_s=clock.target.total_seconds(),
            due=clock.due,
            held_with_s=None if clock.left is None else clock.left.total_seconds(),
            warn_at=clock.warn_at,
            warned=clock.warned,
            met=clock.met,
            breached=clock.breached,
            breaches=clock.breaches,
            resets=clock.resets,
        )


class EscalationView(BaseModel):
    """How far a case is escalated."""

    policy: str
    since: datetime
    level: int = Field(description="Levels reached in this turn.")
    turn: int
    next_at: datetime | None
    ended: str | None


class PlaybookRunView(BaseModel):
    """A run started from a case."""

    name: str
    workflow: str
    run: str
    status: str
    started_at: datetime
    started_by: str
    task: str | None
    detail: str | None
    waits_for: str | None


class CaseView(BaseModel):
    """A case."""

    id: str
    namespace: str
    kind: str
    title: str
    description: str
    status: str
    stage: Stage
    priority: Priority
    severity: int
    owner: str | None
    team: str | None
    queue: str | None
    tags: tuple[str, ...]
    fields: dict[str, FieldBody]
    links: list[LinkBody]
    restricted: bool
    members: tuple[str, ...]
    opened_at: datetime
    opened_by: str
    updated_at: datetime
    answered_at: datetime | None
    resolved_at: datetime | None
    resolution: str | None
    rule: str | None
    template: str | None
    occurrences: int
    comments: int
    tasks: int
    tasks_done: int
    attachments: int
    observables: int
    merged_into: str | None
    merged: list[str]
    calendar: str | None
    response: ClockView | None
    updating: ClockView | None
    resolving: ClockView | None
    escalation: EscalationView | None
    playbooks: list[PlaybookRunView]
    steps: list[str] = Field(default=[], description="Statuses that it can be taken to; of one case, not in lists.")
    html: str = Field(default="", description="The description as HTML that is safe to show; of one case, not in lists.")

    @classmethod
    def of(cls, case: Case) -> "CaseView":
        """The view of a case."""
        state = case.escalation
        plain = {name: getattr(case, name) for name in cls.model_fields if name not in _MADE and hasattr(case, name)}
        return cls(
            **plain,
            fields=dict(case.fields),
            links=[LinkBody(kind=link.kind, target=link.target, role=link.role) for link in case.links],
            merged=[merged.case for merged in case.merges],
            calendar=case.sla.calendar,
            response=ClockView.of(case.clocks.get("response")),
            updating=ClockView.of(case.clocks.get("update")),
            resolving=ClockView.of(case.clocks.get("resolution")),
            escalation=None
            if state is None
            else EscalationView(
                policy=state.policy,
                since=state.since,
                level=state.level,
                turn=state.turn,
                next_at=state.next_at,
                ended=state.ended,
            ),
            playbooks=[PlaybookRunView.model_validate(run, from_attributes=True) for run in case.playbooks],
        )


_MADE = frozenset({"fields", "links", "merged", "calendar", "response", "updating", "resolving", "escalation", "playbooks"})


def opening_of(body: CaseBody) -> Opening:
    """What a request opens."""
    return Opening(
        namespace=body.namespace,
        title=body.title,
        kind=body.kind,
        template=body.template,
        description=body.description,
        priority=body.priority,
        severity=body.severity,
        owner=body.owner,
        team=body.team,
        queue=body.queue,
        tags=body.tags,
        fields=body.fields,
        links=links_of(body.links),
        restricted=body.restricted,
        members=body.members,
        promise=targets_of(body.promise),
    )


def targets_of(body: TargetsBody) -> Targets:
    """The promise that a request describes."""
    return Targets(response=body.response, update=body.update, resolution=body.resolution)


def links_of(bodies: tuple[LinkBody, ...]) -> tuple[Link, ...]:
    """The links that a request describes."""
    return tuple(Link(body.kind, body.target, body.role) for body in bodies)


def pairs_of(texts: tuple[str, ...]) -> dict[str, str]:
    """``name=value`` texts as a mapping.

    Raises:
        Invalid: One has no equals sign, or no name of a field.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.replace("_", "").replace("-", "").isalnum() or not name.isascii() or "-" in name[:1]:
            raise Invalid("field is name=value", hint="for example field=customer=acme")
        found[name] = value
    return found
